import io
import json
import re
from collections import Counter

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from automm.cli import app
from automm.data.download.urls import local_name
from automm.data.images import near_duplicates as near
from automm.data.manifest import load_manifest
from automm.data.quality import run as checking
from automm.data.quality.checks import unused
from automm.data.quality.checks.labels import association
from automm.data.quality.checks.pictures import names_pictures
from automm.data.quality.checks.texts import markup, misread
from automm.data.quality.checks.unused import names_ids
from automm.data.quality.html import page
from automm.data.quality.language import SAMPLE, languages
from automm.data.quality.run import check
from automm.data.quality.terminal import render
from automm.data.records import opening as records
from automm.data.records.reviews import load_dataset
from automm.data.splitting import links
from automm.data.splitting import stratified as splits
from automm.errors import DataError

SHADES = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3)).astype(np.uint8)


def photo(number: int) -> Image.Image:
    return Image.fromarray(SHADES[number]).resize((40, 40), Image.Resampling.BICUBIC)


@pytest.fixture
def make(tmp_path):
    """Writes a data set of 24 reviews, changed by the test, and returns its manifest."""

    def write(change=lambda records: None, fields=(), **more):
        records = []
        for n in range(24):
            photo(n).save(tmp_path / f"{n}.png")
            text = f"This is a very good product number {n}"
            records.append({"id": n, "text": text, "photos": [f"{n}.png"], "label": "ab"[n % 2]})
        change(records)
        (tmp_path / "r.jsonl").write_text("\n".join(json.dumps(record) for record in records))
        columns = {"id": "id", "text": "text", "images": "photos", "label": "label", **dict(fields)}
        content = {"name": "x", "records": "r.jsonl", "fields": columns, **more}
        (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(content))
        return tmp_path / "manifest.yaml"

    return write


def printed(report) -> str:
    console = Console(file=io.StringIO(), width=200)
    render(report, console)
    return console.file.getvalue()


def findings(manifest):
    """By their keys; without unused pictures, which a test leaves behind where it renames or removes names."""
    report = check(manifest)
    found = {finding.key: finding for finding in report.findings}
    assert len(found) == len(report.findings)
    return {key: finding for key, finding in found.items() if key != "unused_pictures"}


def thirds(records):
    for n, record in enumerate(records):
        record["part"] = ["train", "validation", "test"][n % 3]


def test_sound_data(make, tmp_path):
    manifest = make()
    before = sorted(tmp_path.rglob("*"))
    report = check(manifest)
    assert (report.reviews, report.pictures, report.distinct_pictures, report.ok) == (24, 24, 24, True)
    assert report.findings == ()
    assert report.clean
    assert sum(report.labels["train"].values()) == 16
    assert report.pictures_per_review == {1: 24}
    assert report.words["50%"] == 8
    assert report.languages == {"English": 24}
    assert sorted(tmp_path.rglob("*")) == before
    assert "ready to search" in printed(report)
    assert json.loads(json.dumps(report.to_dict()))["pictures_per_review"] == {"1": 24}


def test_unreadable_pictures_are_an_error_unless_dropped(make, tmp_path):
    def spoil(records):
        (tmp_path / "3.png").write_bytes(b"[bold]nothing")

    report = check(make(spoil))
    assert not report.ok
    (finding,) = report.findings
    assert (finding.severity, finding.count) == ("error", 1)
    assert finding.examples[0].line.startswith("r.jsonl:4 (id 3): '3.png': not a picture")
    assert "not ready" in printed(report)
    changes = check(make(spoil, images={"on_bad": "drop-review"}))
    assert changes.ok
    assert changes.changes == {"unreadable_picture_review": 1}
    assert "left_out_pictures" in [finding.key for finding in changes.findings]


def test_missing_pictures_do_not_hide_other_findings(make):
    def spoil(records):
        records[2]["photos"] = ["gone.png", "https://shop.example/a.jpg"]
        records[5]["text"] = "Lovely, it&#39;s <b>really</b> good"

    found = findings(make(spoil))
    assert set(found) == {"missing_pictures", "unfetched_pictures", "html_left"}
    assert (found["missing_pictures"].count, found["unfetched_pictures"].count) == (1, 1)
    assert "r.jsonl:3: picture 'gone.png' not found" in found["missing_pictures"].examples[0].line
    assert "fetch-images" in found["unfetched_pictures"].examples[0].line
    with pytest.raises(DataError, match="no label"):
        check(make(lambda records: (spoil(records), records[0].update(label=None))))


def test_urls_that_were_not_fetched_do_not_hide_other_findings(make):
    def spoil(records):
        for number, record in enumerate(records):
            record["photos"] = [f"https://shop.example/{number}.jpg"]
        records[5]["text"] = "Lovely, it&#39;s <b>really</b> good"

    found = findings(make(spoil))
    assert set(found) == {"unfetched_pictures", "html_left"}
    assert found["unfetched_pictures"].count == 24
    [example] = found["unfetched_pictures"].examples
    assert "none of the 24 pictures given by URL was fetched" in example.line
    assert "fetch-images" in example.line
    with pytest.raises(DataError, match="none of the 24 pictures given by URL was fetched"):
        load_dataset(load_manifest(make(spoil)))


@pytest.mark.parametrize("on_bad", ["error", "drop-image", "drop-review"])
def test_a_wrong_image_root_ends_a_check(make, on_bad):
    def spoil(records):
        for record in records:
            record["photos"] = ["gone.png"]

    with pytest.raises(DataError, match="none of the 24 pictures was found"):
        check(make(spoil, images={"on_bad": on_bad}))


def test_contradictions_and_leaks(make):
    def repeat(records):
        thirds(records)
        records[1] |= {"text": records[0]["text"].upper(), "photos": ["0.png"]}

    found = findings(make(repeat, splits={"column": "part"}))
    across = found["texts_across_splits"]
    assert across.examples[0].line.startswith("r.jsonl:1 (id 0), r.jsonl:2 (id 1): 'This is a very")
    assert "replace splits.column with splits: {fractions: ...}" in across.fix
    assert found["pictures_across_splits"].count == 1
    assert [path.name for path in found["pictures_across_splits"].examples[0].pictures] == ["0.png"]
    assert found["text_contradictions"].severity == "warning"
    assert "a / b" in found["picture_contradictions"].examples[0].line
    assert found["duplicate_reviews"].count == 1
    assert "duplicate_texts" not in found


def test_repetitions_within_one_split_are_notes(make):
    def repeat(records):
        records[2] |= {"text": records[0]["text"], "photos": ["0.png"]}

    found = findings(make(repeat))
    assert {finding.severity for finding in found.values()} == {"note"}
    assert "about 0 of these texts would" in found["duplicate_texts"].effect  # 1 - 0.7^2 - 2 * 0.15^2 = 0.47
    assert set(found) == {"duplicate_texts", "duplicate_pictures", "duplicate_reviews"}
    assert set(findings(make(repeat, drop_duplicates=True))) == set()


def test_near_duplicates(make, tmp_path):
    def shrink(records):
        thirds(records)
        photo(0).resize((24, 24)).save(tmp_path / "1.png")

    across = findings(make(shrink, splits={"column": "part"}))["near_duplicates_across_splits"]
    assert across.count == 1
    assert across.what == "sets of nearly identical pictures that are in more than one split"
    assert across.examples[0].detail == "'0.png' ~ '1.png'"
    kept = findings(make(shrink, splits={"near_duplicates": "together"}))
    assert list(kept) == ["tiny_pictures", "near_duplicate_pictures"]


def test_copies_of_a_post_across_splits_contradict_each_other(make):
    def repost(records):
        thirds(records)
        records[0]["text"] = "The hall was full, and nobody left early"
        records[1]["text"] = f"RT @somebody: {records[0]['text'].upper()} http://t.co/Ab3dEf"

    found = findings(make(repost, splits={"column": "part"}))
    assert found["texts_across_splits"].count == 1
    assert found["texts_across_splits"].examples[0].line == (
        "r.jsonl:1 (id 0), r.jsonl:2 (id 1): 'The hall was full, and nobody left early' ~ "
        "'RT @somebody: THE HALL WAS FULL, AND NOBODY LEFT EARLY http://t.co/Ab3dEf'"
    )
    assert found["text_contradictions"].count == 1
    found = findings(make(repost))
    assert found["duplicate_texts"].count == 1
    assert set(found) == {"duplicate_texts", "text_contradictions"}
    assert "duplicate_reviews" not in found  # what drop_duplicates would drop


def test_a_phrase_in_too_many_variants_is_reported_and_not_linked(make):
    def describe(records):
        for n, record in enumerate(records):
            record["text"] = "This item was exactly as described" + "!" * n

    found = findings(make(describe))
    assert set(found) == {"common_texts"}
    assert found["common_texts"].what.startswith("texts that over 20 reviews share")
    assert "24 reviews: 'This item was exactly as described'" in found["common_texts"].examples[0].line


def test_near_texts_are_found_on_request(make):
    def alter(records):
        thirds(records)
        records[0]["text"] = "The hall was full of people and nobody left until late"
        records[1]["text"] = "The hall was full of people and nobody left until noon"

    across = "near_duplicate_texts_across_splits"
    assert findings(make(alter, splits={"column": "part"})) == {}
    found = {one.key: one for one in check(make(alter, splits={"column": "part"}), with_near_texts=True).findings}
    assert found[across].examples[0].line.startswith("r.jsonl:1 (id 0), r.jsonl:2 (id 1): 'The hall was full")
    assert "until late" in found[across].examples[0].detail
    assert "until noon" in found[across].examples[0].detail
    assert "splits: {near_duplicates: together}" in found[across].fix
    assert set(findings(make(alter, splits={"near_duplicates": "together"}))) == {"near_duplicate_texts"}


@pytest.mark.parametrize("options", [[], ["--near-texts"]])
def test_the_command_finds_near_texts_on_request(make, options):
    def alter(records):
        records[0]["text"] = "The hall was full of people and nobody left until late"
        records[1]["text"] = "The hall was full of people and nobody left until noon"

    done = CliRunner().invoke(app, ["check", str(make(alter)), "--format", "json", *options], catch_exceptions=False)
    assert ("near_duplicate_texts" in done.stdout) == bool(options)


def test_too_many_near_texts_are_reported_and_not_linked(make):
    def alter(records):
        for n, record in enumerate(records):
            record["text"] = f"The hall was full of people, and nobody left until {chr(97 + n) * 3}"

    found = findings(make(alter, splits={"near_duplicates": "together"}))
    assert "more than 20 reviews, too many to link" in found["near_duplicate_texts_across_splits"].fix


@pytest.mark.parametrize(("kept", "named"), [("texts", "pictures"), ("pictures", "texts")])
def test_near_duplicates_are_fixed_by_adding_their_kind_to_keep_together(make, tmp_path, kept, named):
    def alter(records):
        for n, record in enumerate(records):
            record["text"] = f"The hall was full of people and nobody left until {chr(97 + n // 2) * 4}"
            record["text"] += " or so" * (n % 2)
            photo(n // 2).resize((40 - n % 2, 40)).save(tmp_path / f"{n}.png")

    found = findings(make(alter, splits={"near_duplicates": "together", "keep_together": [kept]}))
    key = {"pictures": "near_duplicates", "texts": "near_duplicate_texts"}[named]
    assert found[f"{key}_across_splits"].fix == f"Add {named} to splits.keep_together."


def test_links_are_computed_once(make, monkeypatch):
    calls = Counter()

    def counted(module, name):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: calls.update([name]) or function(*given))

    counted(links, "link_reviews")
    counted(links, "linking_text")
    counted(checking, "near_duplicates")
    counted(near, "near_duplicates")
    counted(splits, "place")

    def in_one_room(records):
        for record in records[:10]:
            record["photos"] = ["0.png"]

    found = findings(make(in_one_room, splits={"folds": 4, "near_duplicates": "together"}))
    assert "linked_reviews" in found
    assert calls == {"link_reviews": 1, "linking_text": 24, "near_duplicates": 1, "place": 2}


def test_users_in_several_splits_without_a_group(make):
    def of_users(records):
        for n, record in enumerate(records):
            record |= {"userId": f"u{n % 12}", "colour": n % 12, "order_id": f"o{n}", "shop": f"s{n % 12}"}

    # findings() would not take a second one: the label is no user, and no order has two reviews.
    finding = findings(make(of_users, fields={"label": "shop"}))["ungrouped_column"]
    assert finding.fix == "Set fields: {group: userId}, unless the column means something else."
    assert 1 <= finding.count <= 12
    assert finding.examples[0].detail.startswith("userId 'u")
    assert findings(make(of_users, fields={"group": "userId"})) == {}
    apart = findings(make(of_users, fields={"label": "shop"}, splits={"keep_together": ["texts", "pictures"]}))
    assert apart["ungrouped_column"].fix.endswith(" Add groups to splits.keep_together.")


def test_control_characters_in_an_id_are_escaped(make):
    def hostile(records):
        for n, record in enumerate(records):
            record |= {"id": f"r{n}\x1b[2J\nerror: forged", "text": f"one and the same long text {n // 2}"}

    report = check(make(hostile))
    assert any("forged" in one.line for found in report.findings for one in found.examples)
    assert "\x1b" not in printed(report)
    assert "\nerror: forged" not in printed(report)


def test_users_in_several_splits_although_products_are_grouped(make):
    def of_both(records):
        for n, record in enumerate(records):
            record |= {"userId": f"u{n % 12}", "product": f"p{n // 2}"}

    finding = findings(make(of_both, fields={"group": "product"}))["ungrouped_column"]
    assert "'userId'" in finding.what
    assert finding.fix.startswith("fields.group can name one column and is 'product'. Set it to 'userId' if")


@pytest.mark.parametrize(
    ("column", "somebody"),
    [
        *(("user_id", True), ("parentAsin", True), ("reviewerID", True), ("user_name", True), ("user", True)),
        *(("video", False), ("paid", False), ("8", False), ("user_age", False), ("product_price", False)),
    ],
)
def test_names_of_columns_that_suggest_ids_of_users_and_products(column, somebody):
    assert names_ids(column) is somebody


def test_a_shift_of_labels_between_splits(make):
    def by_label(records):
        for n, record in enumerate(records):
            record["part"] = "train" if (n % 2 and n > 3) or n == 0 else ["validation", "test"][n % 3 > 0]

    found = findings(make(by_label, splits={"column": "part"}))
    assert "Cramér's V 0." in found["label_shift"].what
    assert found["label_shift"].examples[0].detail == "'b': 91% of train, 25% of validation, 11% of test"
    assert "label_shift" not in findings(make(thirds, splits={"column": "part"}))


def test_association_equals_scipy():
    from scipy.stats import chi2_contingency
    from scipy.stats.contingency import association as reference

    counts = np.array([[30, 12, 5], [10, 20, 9]])
    effect, chance = association(counts)
    assert effect == pytest.approx(reference(counts, method="cramer"))
    assert chance == pytest.approx(chi2_contingency(counts, correction=False).pvalue)
    assert association(counts[:, :1]) == (0.0, 1.0)
    assert association(np.array([[5, 0], [0, 5]]))[0] == pytest.approx(1)


def test_most_reviews_linked_by_pictures(make):
    def in_rooms(records):  # each room links two neighbouring products
        for n, record in enumerate(records[:12]):
            record["photos"] = [f"{n}.png", f"{n + 1}.png"]

    found = findings(make(in_rooms))["linked_reviews"]
    assert found.count == 13
    assert "54% of the data" in found.what
    assert found.examples[0].detail.startswith("most shared pictures: '1.png'")
    assert "linked_reviews" not in findings(make(in_rooms, splits={"by": "hash"}))
    apart = findings(make(in_rooms, splits={"keep_together": ["groups", "texts"]}))
    assert "linked_reviews" not in apart
    assert apart["pictures_across_splits"].fix == "Add pictures to splits.keep_together."


def test_urls_that_were_not_fetched(make):
    def remote(records):
        records[0]["photos"] = ["https://shop.example/a.jpg"]

    found = findings(make(remote, images={"on_bad": "drop-image"}))
    assert list(found) == ["not_fetched"]
    assert found["not_fetched"].count == 1


def test_many_labels_are_shortened_at_a_terminal(make):
    def many(records):
        for n, record in enumerate(records):
            record["label"] = [record["label"], f"tag {n}", f"other {n}"]

    text = printed(check(make(many)))
    assert "only the 30 most frequent training labels are shown, 20 are not" in text
    assert len(re.findall(r"(?:tag|other) \d+ ", text)) < 48


def test_odd_pictures(make, tmp_path):
    def spoil(records):
        Image.new("RGB", (40, 40), "white").save(tmp_path / "0.png")
        photo(1).resize((20, 10)).save(tmp_path / "1.png")
        photo(2).resize((200, 40)).save(tmp_path / "2.png")
        photo(3).save(tmp_path / "3.png", save_all=True, append_images=[photo(30)])
        photo(4).save(tmp_path / "4.png", "JPEG")
        Image.new("RGB", (6000, 4000)).save(tmp_path / "5.png")

    found = findings(make(spoil))
    assert {
        key: [path.name for one in finding.examples for path in one.pictures] for key, finding in found.items()
    } == {
        "blank_pictures": ["0.png", "5.png"],
        "tiny_pictures": ["1.png"],
        "stretched_pictures": ["2.png"],
        "animated_pictures": ["3.png"],
        "wrong_extensions": ["4.png"],
        "huge_pictures": ["5.png"],
    }
    assert found["wrong_extensions"].examples[0].detail == "'4.png' is JPEG"


def test_a_picture_that_never_varies(make):
    def same(records):
        for record in records[:6]:
            record["photos"] = ["0.png"]

    found = findings(make(same))["one_picture"]
    assert found.count == 6
    assert "25% of the reviews with pictures" in found.what


@pytest.mark.parametrize("remote", [False, True])
def test_a_placeholder_is_shown_as_none_values_needs_its_name(make, tmp_path, remote):
    name = "https://a.example/none.png" if remote else "./data/none.png"
    file = tmp_path / (local_name(name) if remote else name)
    file.parent.mkdir()
    Image.new("RGB", (40, 40)).save(file)

    def same(records):
        for record in records[:6]:
            record["photos"] = [name]

    found = findings(make(same))
    assert found["one_picture"].examples[0].detail == f"'{name}'"
    assert found["blank_pictures"].examples[0].detail == f"'{name}' is 40 x 40"
    assert set(findings(make(same, fields={"none_values": [name]}))).isdisjoint({"one_picture", "blank_pictures"})


def test_texts_empty_and_long(make):
    def spoil(records):
        records[0]["text"] = ""
        records[1]["text"] = "the words " * 400

    found = findings(make(spoil))
    assert found["empty_texts"].examples[0].line == "r.jsonl:1 (id 0)"
    assert found["long_texts"].examples[0].detail.startswith("800 words: 'the words")
    assert set(found) == {"empty_texts", "long_texts"}


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("cafÃ© was fine", "cafÃ©"),
        ("it\u00e2\u20ac\u2122s good", "it\u00e2\u20ac\u2122s"),
        ("Привет".encode().decode("cp1252"), "Привет".encode().decode("cp1252")),
        ("À ne pas acheter".encode().decode("latin-1"), "Ã\x80"),
        ("Une œuvre à part".encode().decode("latin-1"), "Å\x93uvre"),
        ("Żałuję, ő".encode().decode("latin-1"), "Å»aÅ\x82ujÄ\x99,"),
        ("naïve".encode().decode("mac_roman"), "na√Øve"),
        ("Größe".encode().decode("cp1250"), "GrĂ¶Ăźe"),
        ("Очень".encode().decode("cp1251"), "РћС‡РµРЅСЊ"),
        ("half \ufffd gone", "\ufffd"),
        ("烫烫锟斤拷", "锟斤拷"),
        ("it鈥檚 good", "鈥檚"),
        ("café, naïve, Ärger, 'CAFÉ…', São Paulo, Ångström \u2013 “fine”", ""),
        ("Привет, très bien à côté", ""),
        ("非常好的产品", ""),
        ("plain", ""),
    ],
)
def test_signs_of_a_wrong_encoding(text, sign):
    assert misread(text) == sign


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("good<br />bad", "<br />"),
        ("a <a href='x'>link</a>", "<a href='x'>"),
        ("R&amp;B", "&amp;"),
        ("it&#39;s", "&#39;"),
        ("a < b and b > a, I <3 it, <user> said", ""),
        ("Q&A; fish&chips", ""),
    ],
)
def test_signs_of_html(text, sign):
    assert markup(text) == sign


def test_wrong_encodings_are_found_in_reviews(make):
    found = findings(make(lambda records: records[7].update(text="The cafÃ© was very good, I think")))
    assert found["wrong_encoding"].examples[0].line.startswith("r.jsonl:8 (id 7): 'cafÃ©' in 'The caf")


def test_other_languages(make):
    def translate(records):
        for record in records[:12]:
            record["text"] = f"Bahan produk bagus sekali dan pengiriman cepat {record['id']}"

    (finding,) = check(make(translate)).findings
    assert finding.count == 12
    assert "seem not to be English (50% of 24 checked: Indonesian)" in finding.what


def test_reviews_without_ids(make):
    assert list(findings(make(fields={"id": None}))) == ["no_ids"]


@pytest.mark.parametrize("separator", [None, ",", "|"])
def test_several_labels_are_an_error_and_the_fix_works(make, separator):
    def several(records):
        for n, record in enumerate(records):
            labels = ["ab"[n % 2], "c"] if n < 5 else ["ab"[n % 2]]
            record["label"] = labels if separator is None else separator.join(labels)

    label = {"column": "label"} | ({"separator": separator} if separator else {})
    report = check(make(several, fields={"label": label}))
    (finding,) = report.findings
    assert (finding.key, finding.severity, finding.count) == ("several_labels", "error", 5)
    assert [one.detail for one in finding.examples] == ["a, c", "b, c", "a, c", "b, c", "a, c"]
    fix = re.match(r"Set fields: (\{.*\}) to use the first label", finding.fix)[1]
    assert findings(make(several, fields=yaml.safe_load(fix))) == {}


def test_lists_of_one_label_are_an_error(make):
    def lists(records):
        for record in records:
            record["label"] = [record["label"]]

    (finding,) = check(make(lists)).findings
    assert (finding.severity, finding.count) == ("error", 24)
    assert finding.what == "reviews whose label is a list (of one label)"


def test_unused_columns_of_pictures(make):
    def without(records):
        for record in records:
            record |= {"photo": record.pop("photos")[0], "image_count": 1, "description": "x"}

    found = findings(make(without, fields={"images": []}))["no_pictures"]
    assert (found.severity, found.count) == ("warning", 24)
    assert "column 'photo' seems to name pictures" in found.what
    assert found.fix == "Set fields: {images: photo}, unless the values are something else."
    assert findings(make(without, fields={"images": "photo"})) == {}
    assert findings(make(lambda records: [record.pop("photos") for record in records], fields={"images": []})) == {}


@pytest.mark.parametrize(
    ("column", "pictures"),
    [
        ("image", True),
        ("Img_Path", True),
        ("imageUrl", True),
        ("file_name", True),
        ("pictures", True),
        ("image_count", False),
        ("hasPhoto", False),
        ("imagination", False),
        ("file_size", False),
        ("userImage", False),
        ("user_images", True),
    ],
)
def test_names_of_columns_that_suggest_pictures(column, pictures):
    assert names_pictures(column) is pictures


def test_most_reviews_linked_by_a_group(make):
    def in_one_group(records):
        for n, record in enumerate(records):
            record["shop"] = "one" if n < 14 else f"s{n}"

    splits = {"keep_together": ["groups", "texts"]}
    found = findings(make(in_one_group, fields={"group": "shop"}, splits=splits))["linked_reviews"]
    assert found.count == 14
    assert found.examples[0].detail == "largest group of column 'shop', with 14 reviews: 'one'"
    assert "fields.group" in found.fix
    assert "splits: {keep_together: [texts]}" in found.fix
    assert "fields.images" not in found.fix
    alone = {"keep_together": ["groups"]}
    assert (
        "{keep_together: []}"
        in findings(make(in_one_group, fields={"group": "shop"}, splits=alone))["linked_reviews"].fix
    )
    assert findings(make(in_one_group, fields={"group": "shop"}, splits={"keep_together": []})).keys() == {
        "groups_across_splits"
    }


def test_most_reviews_linked_by_a_text(make):
    def of_one_template(records):
        for record in records[:14]:
            record["text"] = "This is the text of a template, and no more"

    found = findings(make(of_one_template))["linked_reviews"]
    assert found.examples[0].detail.startswith("most shared text, in 14 reviews: 'This is the text")
    assert "splits: {keep_together: [groups, pictures]}" in found.fix


def test_pictures_linked_by_near_duplicates_are_unlinked_with_them(make):
    def in_rooms(records):
        for n, record in enumerate(records[:12]):
            record["photos"] = [f"{n}.png", f"{n + 1}.png"]

    found = findings(make(in_rooms, splits={"near_duplicates": "together"}))["linked_reviews"]
    assert "splits: {near_duplicates: ignore, keep_together: [groups, texts]}" in found.fix


def test_most_reviews_linked_by_near_texts_and_the_fix_works(make):
    def of_one_post(records):
        for n, record in enumerate(records[:14]):
            record["text"] = f"The hall was full of people and nobody left until {chr(97 + n) * 4}"

    rules = {"near_duplicates": "together", "keep_together": ["texts"]}
    found = findings(make(of_one_post, splits=rules))["linked_reviews"]
    assert found.examples[0].detail.startswith("most shared text, in 14 reviews: 'The hall was full of people")
    fix = "splits: {near_duplicates: ignore, keep_together: []}"
    assert fix in found.fix
    assert "linked_reviews" not in findings(make(of_one_post, **yaml.safe_load(fix)))


def test_drop_duplicates_is_not_suggested_if_it_is_set(make):
    def repeat(records):
        records[1]["photos"] = records[0]["photos"]

    assert "set drop_duplicates: true" in findings(make(repeat))["picture_contradictions"].fix
    fix = findings(make(repeat, drop_duplicates=True))["picture_contradictions"].fix
    assert fix.startswith("Correct the labels. ")
    assert "set drop_duplicates" not in fix


def test_dropped_pictures_are_not_counted(make, tmp_path):
    def spoil(records):
        (tmp_path / "3.png").write_bytes(b"nothing")

    report = check(make(spoil, images={"on_bad": "drop-image"}))
    assert (report.pictures, report.distinct_pictures) == (23, 23)
    broken = check(make(spoil))
    assert (broken.pictures, broken.distinct_pictures) == (24, 24)


def test_a_picture_twice_in_a_review(make, tmp_path):
    def twice(records):
        (tmp_path / "copy.png").write_bytes((tmp_path / "4.png").read_bytes())
        records[4]["photos"] = ["4.png", "copy.png"]
        records[6]["photos"] = ["6.png", "6.png"]

    found = findings(make(twice))["repeated_pictures"]
    assert (found.severity, found.count) == ("note", 2)
    assert [one.detail for one in found.examples] == ["'4.png', 'copy.png'", "'6.png', '6.png'"]


def test_texts_that_look_like_a_missing_value(make):
    def spoil(records):
        for record, text in zip(records, ("nan", " N/A ", "None", "-", "none of it is good"), strict=False):
            record["text"] = text

    found = findings(make(spoil))["missing_like_texts"]
    assert found.count == 4
    assert found.examples[1].detail == "'N/A'"


RATINGS = ("good", "very good", "bad")


def test_texts_that_contain_their_label(make):
    def rated(records):
        for n, record in enumerate(records):
            record |= {
                "label": RATINGS[n % 3],
                "text": f"{record['text'].replace('good', 'new')}. Rating: {RATINGS[n % 3]}",
            }

    found = findings(make(rated))["labels_in_texts"]
    assert (found.severity, found.count) == ("warning", 24)
    assert found.examples[0].detail.startswith("label 'good' in the text 'This is a very new product")


@pytest.mark.parametrize(
    "text", ["good product {n}", "good, not bad {n}", "not {label} {n}", "goodness {n}, {label}ly"]
)
def test_texts_that_sometimes_contain_a_label_are_no_finding(make, text):
    def rated(records):
        for n, record in enumerate(records):
            label = ("good", "bad")[n % 2]
            record |= {"label": label, "text": text.format(n=n, label=label if n % 5 else "so")}

    assert "labels_in_texts" not in findings(make(rated))


def test_reviews_that_cannot_be_split_are_a_finding(make):
    def one_split(records):
        for record in records:
            record["part"] = "train"

    report = check(make(one_split, splits={"column": "part"}))
    assert not report.ok
    assert "split 'validation' has no reviews" in report.findings[0].examples[0].line
    assert report.labels == {}
    assert "not ready" in printed(report)


def test_records_that_cannot_be_read_raise(make):
    with pytest.raises(DataError, match="no label"):
        check(make(lambda records: records[0].update(label=None)))


def test_the_page_shows_every_finding_and_fetches_nothing(make, tmp_path):
    def spoil(records):
        records[0]["text"] = "<script>alert(1)</script> it&#39;s good"
        records[1]["photos"] = records[3]["photos"] = ["2.png"]
        for n in range(6, 24):
            Image.new("RGB", (40, 40), (n, n, n)).save(tmp_path / f"{n}.png")

    report = check(make(spoil))
    text = page(report)
    (tmp_path / "5.png").unlink()
    for finding in report.findings:
        assert finding.key in text
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    pictures = re.findall(r'<img src="([^"]+)"', text)
    assert pictures
    assert all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "url(" not in text
    assert len(text) < 100_000


FOREIGN = {
    "Chinese": ["非常好的产品", "物流很快"],
    "Japanese": ["とても良い製品です", "色は写真の通りです"],
    "Korean": ["정말 좋은 제품", "배송이 빠르고 포장도 꼼꼼해요"],
    "Russian": ["Очень хороший товар", "Доставка быстрая, упаковано хорошо"],
    "Indonesian": ["Barang bagus sekali sesuai pesanan pengiriman cepat", "Warnanya cantik, nanti pesan lagi"],
    "German": ["Das Gerät ist sehr gut und war schnell da", "Schnelle Lieferung, gerne wieder"],
    "French": ["Le produit est très bien mais la livraison est longue", "Bon rapport qualité prix"],
    "Spanish": ["El producto es muy bueno y la entrega rápida", "Llegó rápido y en buen estado"],
    "Hungarian": ["Termék nagyon szép, gyors szállítás, köszönöm szépen", "Nem ajánlom senkinek"],
    "Polish": ["Bardzo dobry produkt, polecam każdemu", "Zgodne z opisem, szybka wysyłka"],
    "Greek": ["Πολύ καλό προϊόν", "Γρήγορη αποστολή και σωστή συσκευασία"],
    "Hebrew": ["מוצר מצוין", "הגיע מהר ובאריזה טובה"],
    "Arabic": ["التوصيل سريع والتغليف ممتاز", "لا أنصح بشرائه"],
    "Thai": ["สินค้าดีมาก", "ส่งเร็ว แพ็คของมาอย่างดี"],
}


@pytest.mark.parametrize("name", FOREIGN)
def test_languages_are_detected(name):
    texts = [*FOREIGN[name], "", "  ", "#legday http://t.co/x 12345", "The colour is great, I would buy it again"]
    assert languages(texts) == {0: name, 1: name, 4: "undecided", 5: "English"}


def test_few_texts_that_are_not_plainly_english_stay_undecided():
    texts = ["This is what I wanted", "Arrived late and it was broken", "No good", "Love it!!", "Great value"]
    assert languages([*texts * 4, "Barang bagus sekali sesuai pesanan"]) == dict.fromkeys(range(20), "English") | {
        20: "undecided"
    }


def test_languages_of_many_texts_are_guessed_from_a_fixed_sample():
    texts = [f"This is review number {n}" if n % 2 else f"Das ist die Bewertung Nummer {n}" for n in range(3 * SAMPLE)]
    found = languages(texts)
    assert len(found) == SAMPLE
    assert found == languages(texts)
    assert 0.45 < list(found.values()).count("German") / SAMPLE < 0.55


def relabelled(*labels):
    def change(records):
        for n, record in enumerate(records):
            record["label"] = labels[n % len(labels)]

    return change


def test_labels_that_look_like_a_missing_value(make):
    found = findings(make(relabelled("pos", "neg", "N/A", "None")))["missing_like_labels"]
    assert found.count == 2
    assert [one.detail for one in found.examples] == ["'N/A' in 6 reviews", "'None' in 6 reviews"]
    assert "on_missing: drop" in found.fix


def test_labels_that_differ_only_in_case_are_reported_with_a_map(make):
    found = findings(make(relabelled("pos", "Pos", "pos", "neg")))["labels_of_one_word"]
    assert [one.detail for one in found.examples] == ["'pos' (12), 'Pos' (6)"]
    assert 'labels: {map: {"pos": ["pos", "Pos"], ...}}' in found.fix  # in quotes: a label may hold a colon


def test_words_for_true_and_false_are_one_label_each(make):
    found = findings(make(relabelled("true", 1, False, "0")))["labels_of_one_word"]
    assert [one.detail for one in found.examples] == ["'0' (6), 'false' (6)", "'1' (6), 'true' (6)"]
    assert '"0": ["0", "false"], "1": ["1", "true"]' in found.fix
    for labels in (("yes", "no"), (0, 1), ("true", "false"), (0, 1, 2, "yes"), ("yes", "no", "maybe", "1")):
        assert "labels_of_one_word" not in findings(make(relabelled(*labels)))


def test_labels_that_a_map_lists_are_no_finding(make):
    keys = {"missing_like_labels", "labels_of_one_word"}
    assert not keys & findings(make()).keys()
    listed = {"map": {"pos": ["pos", "Pos"], "none": ["none"]}}
    assert not keys & findings(make(relabelled("pos", "none", "Pos"), labels=listed)).keys()


@pytest.fixture
def readings(monkeypatch):
    """One for each time that records are opened."""
    opened, read = [], records.read_files

    def counted(*args, **keywords):
        opened.append(args)
        return read(*args, **keywords)

    monkeypatch.setattr(records, "read_files", counted)
    return opened


def test_a_check_reads_the_records_once(make, tmp_path, readings):
    def everything(records):
        Image.new("RGB", (40, 40)).save(tmp_path / "0.png")
        for n, record in enumerate(records):
            record |= {"user_id": f"u{n % 12}", "photos": [f"{n}.png", *["0.png"] * (n < 8)]}
        records[3]["photos"] = ["gone.png"]

    found = findings(make(everything, splits={"folds": 3}))
    assert found.keys() >= {"ungrouped_column", "blank_pictures", "one_picture", "missing_pictures"}
    assert len(readings) == 1


def test_a_check_reads_records_with_missing_numbers_and_pictures_once(make, readings):
    def lack(records):
        for n, record in enumerate(records):
            record["label"] = n if n % 5 else None
        records[1]["photos"] = records[5]["photos"] = ["gone.png"]

    found = findings(make(lack, task="regression"))
    assert (found["missing_numbers"].count, found["missing_pictures"].count) == (5, 2)
    assert len(readings) == 1


def test_pictures_are_shown_by_their_names_in_the_records(make, tmp_path):
    url = "https://shop.example/blank.jpg"

    def fetched(records):
        (tmp_path / "fetched").mkdir()
        Image.new("RGB", (40, 40)).save(tmp_path / local_name(url), "JPEG")
        (tmp_path / "2.png").write_bytes(b"no picture")
        records[2]["photos"] = ["2.png", "./2.png", "https://shop.example/other.jpg", url]

    found = findings(make(fetched, images={"on_bad": "drop-image"}))
    assert found["blank_pictures"].examples[0].detail.startswith(f"'{url}' is ")


def test_ids_that_are_not_kept_for_examples_are_counted(make, monkeypatch):
    def users(records):
        for n, record in enumerate(records):
            record |= {"user_id": f"u{n % 12}", "shop": None if n < 4 else 2**64 + n % 10}

    whole = check(make(users)).findings
    monkeypatch.setattr(unused, "MOST_TEXTS", 0)
    bounded = check(make(users)).findings
    assert [(one.key, one.count) for one in whole] == [(one.key, one.count) for one in bounded]
    assert {one.key for one in whole} == {"ungrouped_column"}
    assert [len(one.examples[0].reviews) for one in bounded] == [len(one.examples[0].reviews) for one in whole]


def test_columns_and_texts_of_ids_are_bounded(make, monkeypatch):
    manifest = load_manifest(make())
    monkeypatch.setattr(unused, "MOST_COLUMNS", 4)
    monkeypatch.setattr(unused, "MOST_TEXTS", 3)
    gathered = unused.UnusedIds(manifest)
    for row, review in enumerate(load_dataset(manifest).reviews):
        values = {f"{name}_id": f"{name}{row // 2}" for name in "abcdefgh"} | {f"{row}_id": "late"}
        gathered(records.Record(review.where, values, review.id), review)
    spreads = dict(gathered.spreads({str(row): ("train", "test")[row % 2] for row in range(24)}))
    assert [*spreads] == ["a_id", "b_id", "c_id", "d_id"]
    assert (spreads["b_id"].values, spreads["b_id"].apart) == (12, 12)
    assert [value for value, _ in spreads["b_id"].examples] == ["b0", "b1", "b2", "", ""]
