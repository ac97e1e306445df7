"""Where the dashboard is found."""

ROOT = "/dashboard"
