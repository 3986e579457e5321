"""Methods that minimise an unmixing loss, one a file."""
