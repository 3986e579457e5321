from tests.hostile import PAGE, page


def test_the_guide_says_what_happens():
    assert PAGE.read_text(encoding="utf-8") == page()
