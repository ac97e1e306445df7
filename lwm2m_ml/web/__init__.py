"""The dashboard: pages that speak to the API in the same process, as whoever logged in. See docs/dashboard.md."""
