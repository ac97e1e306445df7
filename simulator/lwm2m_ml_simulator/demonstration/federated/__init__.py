"""A hundred devices that each know two digits teach each other all ten, and what that costs them."""
