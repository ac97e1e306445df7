"""Groups: devices picked by a filter over what is known of them."""
