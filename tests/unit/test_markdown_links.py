"""Pictures are removed from Markdown if a renderer would show them."""

import time

import pytest

from automm.data.layouts.markdown_links import take_pictures


@pytest.mark.parametrize(
    "text",
    [
        "```\n![a](b.jpg)\n```",
        "~~~ text\n![a](b.jpg)\n~~~~",
        "````\n```\n![a](b.jpg)\n````",
        "```\n![a](b.jpg)",
        "- item\n\n  ```\n  ![a](b.jpg)\n  ```",
        "> ```\n> ![a](b.jpg)\n> ```",
        "> 1. a\n>    ~~~\n>    ![a](b.jpg)\n>    ~~~",
        "a\n\n    ![a](b.jpg)",
        "- a\n\n      ![a](b.jpg)",
        "`![a](b.jpg)`",
        "``a ` ![a](b.jpg)``",
        "a `b\n![a](b.jpg)` c",
        "<!-- ![a](b.jpg) -->",
        "a <!-- ![a](b.jpg)\n<img src='b.jpg'> --> c",
        "<!--\n\n![a](b.jpg)\n<img src='b.jpg'>\n\n-->",
        "<div>\n![a](b.jpg)\n</div>",
        "<script>\nx = '<img src=\"b.jpg\">'\n</script>",
        r"\![a](b.jpg)",
        r"!\[a](b.jpg)",
        r"![a\](b.jpg)",
        "`<img src='b.jpg'>`",
        "\\<img src='b.jpg'>",
        "```\n[b]: b.jpg\n```\n\n![b] and ![a][b] and ![b][]",
        "![a][c]\n\n[b]: b.jpg",
        '[![a](b.jpg "](c)',
    ],
)
def test_text_that_a_renderer_shows_as_no_picture_stays(text):
    assert take_pictures(text) == (text, [])


@pytest.mark.parametrize(
    ("text", "rest", "links"),
    [
        ("a ![b](c.jpg) d", "a  d", ["c.jpg"]),
        ("- a\n\n    ![b](c.jpg)", "- a\n\n    ", ["c.jpg"]),
        ("a\n    ![b](c.jpg)", "a\n    ", ["c.jpg"]),
        ("```\na\n```\n![b](c.jpg)", "```\na\n```\n", ["c.jpg"]),
        ("> ```\n> a\n\n![b](c.jpg)", "> ```\n> a\n\n", ["c.jpg"]),
        ("`a ![b](c.jpg)", "`a ", ["c.jpg"]),
        ("``a ![b](c.jpg)`", "``a `", ["c.jpg"]),
        (r"\\![b](c.jpg) \`![b](d.jpg)\`", r"\\ \`\`", ["c.jpg", "d.jpg"]),
        ("# A ![b](c.jpg) #\n\nB ![b](d.jpg)\n===", "# A  #\n\nB \n===", ["c.jpg", "d.jpg"]),
        ("> -\t![b](c.jpg)\n>\t![b](d.jpg)", "> -\t\n>\t", ["c.jpg", "d.jpg"]),
        ("![b\nb](\n c.jpg\n 'a title') d", " d", ["c.jpg"]),
        ("![`](b.jpg)` ![b](c.jpg)", "![`](b.jpg)` ", ["c.jpg"]),
        ("![![a](b.jpg)](c.jpg)", "", ["c.jpg"]),
        ("[![a](b.jpg)](c) [![a](b c.jpg)](d)", "[](c) [](d)", ["b.jpg", "b c.jpg"]),
        ("![a](<b c.jpg>) ![a](b%20c.jpg) ![a](b c.jpg 'title')", "  ", ["b c.jpg"] * 3),
        (r"![a](b\_c&amp;d.jpg) ![a](b \_c&amp;d.jpg)", " ", ["b_c&d.jpg", "b _c&d.jpg"]),
        ("![a](https://x.example/é%20?a=1) ![a](file:///b.jpg)", " ", ["https://x.example/é%20?a=1", "file:///b.jpg"]),
        ("![a][b] ![B][] ![b]\n\n[b]: c.jpg 'title'\nd", "  \n\nd", ["c.jpg"] * 3),
        ("> ![a][b c]\n\n- d\n\n  [B\n  C]: <e f.jpg>\n", "> \n\n- d\n\n", ["e f.jpg"]),
        ("[a][b] ![c](d.jpg)\n\n[b]: e.html", "[a][b] \n\n[b]: e.html", ["d.jpg"]),
        ("a <img src='b&amp;c%20d.jpg' /> <IMG\nSRC=e.jpg>", "a  ", ["b&c d.jpg", "e.jpg"]),
        ("<div>\n<img alt='a' src=\"b.jpg\"><!-- <img src='c.jpg'> -->\n</div>", None, ["b.jpg"]),
        ("\xa0\n1. \u3000\n   ![a](b\u3000c.jpg)\x0b", "\xa0\n1. \u3000\n   \x0b", ["b\u3000c.jpg"]),
        ("\u2028\n<img src='b\xa0c.jpg'>\n\x85", "\u2028\n\n\x85", ["b\xa0c.jpg"]),
        ("a\r\n\r\n![b](c.jpg)\r![d](e.jpg)\0![f](g.jpg)", "a\r\n\r\n\r\0", ["c.jpg", "e.jpg", "g.jpg"]),
    ],
)
def test_pictures_that_a_renderer_shows_are_removed(text, rest, links):
    found = take_pictures(text)
    assert found[1] == links
    assert rest is None or found[0] == rest


def test_an_entity_of_thousands_of_digits_is_replaced():
    assert take_pictures(f"<img src='a&#{'9' * 5000};b&amp;.jpg'>")[1] == ["a\ufffdb&.jpg"]


def seconds(text: str) -> float:
    """CPU time of this process in seconds, the better of two runs."""
    taken = []
    for _ in range(2):
        start = time.process_time()
        take_pictures(text)
        taken.append(time.process_time() - start)
    return min(taken)


BRACKETS = ("![", "![](", "![](  ", "![a](b ", "![a][", "[", "[a]: ")
TAGS = ("<img ", '<img src="', "<img src='<img src=\"", "<img>src", "<a b='", "<!--", "a <!-- ", "<div>\n")
BLOCKS = ("`", "` ", "```\n", "> ", "- ")


@pytest.mark.parametrize("opened", [*BRACKETS, *TAGS, *BLOCKS])
@pytest.mark.parametrize("closed", ["", ">", ")", "](a.jpg)"])
def test_thousands_of_opened_brackets_take_linear_time(opened, closed):
    small, large = (seconds(f"![a](b.jpg)\n\n{opened * count}{closed * count}") for count in (500, 2000))
    assert large < 8 * small + 0.02  # quadratic time grows to 16 times


def test_runs_of_backticks_take_linear_time():
    small, large = (" ".join("`" * length for length in range(1, most)) + " ![a](b.jpg)" for most in (300, 600))
    assert seconds(large) < 8 * seconds(small) + 0.05  # four times as long; quadratic time grows to 16 times
    assert take_pictures(large)[1] == ["b.jpg"]
