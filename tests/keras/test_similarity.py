import numpy as np

from automm.models.readouts import Similarity


def test_cosines_of_a_text_with_its_pictures():
    rng = np.random.default_rng(0)
    text, images = rng.normal(size=(4, 6)).astype(np.float32), rng.normal(size=(4, 3, 6)).astype(np.float32)
    image_mask = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 0]], np.float32)
    text_mask = np.array([1, 1, 1, 0], np.float32)
    cosines, of_set = (np.asarray(value) for value in Similarity()(text, images, image_mask, text_mask))
    wanted = (text[:, None] * images).sum(axis=-1)
    wanted /= np.linalg.norm(text, axis=1)[:, None] * np.linalg.norm(images, axis=2)
    wanted *= image_mask * text_mask[:, None]
    np.testing.assert_allclose(cosines, wanted, atol=1e-6)
    np.testing.assert_allclose(of_set[0], [wanted[0].max(), wanted[0].mean()], atol=1e-6)
    np.testing.assert_allclose(of_set[1], [wanted[1, ::2].max(), wanted[1, ::2].mean()], atol=1e-6)
    np.testing.assert_array_equal(of_set[2:], 0)


def test_absent_pictures_never_change_it():
    rng = np.random.default_rng(1)
    text, images = rng.normal(size=(1, 4)).astype(np.float32), rng.normal(size=(1, 2, 4)).astype(np.float32)
    mask, one = np.array([[1, 0]], np.float32), np.ones(1, np.float32)
    spoiled = images.copy()
    spoiled[0, 1] = [1e3, 1e15, 0, -1e3]
    for first, second in zip(
        Similarity()(text, images, mask, one), Similarity()(text, spoiled, mask, one), strict=True
    ):
        np.testing.assert_array_equal(first, second)
