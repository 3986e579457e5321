"""Problems with a known answer."""

