"""Networks that learn against one another (survey 3.4)."""
