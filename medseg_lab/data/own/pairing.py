"""Which image belongs to which mask: a rule that their names follow, proposed from the names alone.

A rule is what the names of all images have in common before and after the case, and those of all masks:
`img_<case>` and `<case>_mask`. Of all such rules the one that pairs most files is taken, of equals the one
that leaves most of a name to the case.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

from medseg_lab.data.card import Pairs
from medseg_lab.data.readers.decode.volume import ending_of
from medseg_lab.data.readers.folders import entries, unpaired

SAMPLE, MOST = 20, 2000
"""So many names of the smaller folder are compared with so many of the other."""

CANDIDATES = 30
"""The rules found most often among the samples are tried on all names."""

SEPARATORS = " _-."


class Rule(NamedTuple):
    """What stands before and after the case in the names of images, and in those of masks."""

    before_image: str = ""
    after_image: str = ""
    before_mask: str = ""
    after_mask: str = ""

    def words(self) -> str:
        """`img_<case>` belongs to `<case>_mask`."""
        image, mask = (
            f"{self.before_image}<case>{self.after_image}",
            f"{self.before_mask}<case>{self.after_mask}",
        )
        return f"the image {image} belongs to the mask {mask}"

    def images(self, names: Iterable[str]) -> dict[str, str]:
        """The names that follow the rule, by case."""
        return _cases(names, self.before_image, self.after_image)

    def masks(self, names: Iterable[str]) -> dict[str, str]:
        """The names that follow the rule, by case."""
        return _cases(names, self.before_mask, self.after_mask)


@dataclass(frozen=True)
class Pairing:
    """A proposal.

    Args:
        pairs: as a card states it.
        rule: the same in words.
        files: image and mask of each case, sorted.
        lone_images, lone_masks: those without a counterpart.
    """

    pairs: Pairs
    rule: str
    files: dict[str, tuple[Path, Path]]
    lone_images: list[Path]
    lone_masks: list[Path]


def propose(images: Path, masks: Path, card_folder: Path) -> Pairing:
    """The pairing of two folders; the paths in `pairs` are from `card_folder` on where they lie inside it.

    Raises:
        ValueError: naming a folder that is missing or has no images, or names that follow no rule, or two.
    """
    pictures, drawn = entries(images), entries(masks)
    if images.resolve() == masks.resolve():
        raise ValueError(
            f"{images}: expected two folders, got one twice; put the masks into one of their own"
        )
    rule = _best({stem(path) for path in pictures}, {stem(path) for path in drawn}, images, masks)
    pairs = Pairs(
        images=_from(card_folder, images),
        masks=_from(card_folder, masks),
        image_name=_expression(rule.before_image, rule.after_image, pictures),
        mask_name=_expression(rule.before_mask, rule.after_mask, drawn),
    )
    of_image = rule.images(stem(path) for path in pictures)
    of_mask = rule.masks(stem(path) for path in drawn)
    by_stem = [{stem(path): path for path in side} for side in (pictures, drawn)]
    files = {
        case: (by_stem[0][of_image[case]], by_stem[1][of_mask[case]])
        for case in sorted(set(of_image) & set(of_mask))
    }
    return Pairing(pairs, rule.words(), files, *unpaired(pairs, card_folder))


def stem(path: Path) -> str:
    """A file's name without its ending; a folder's whole name."""
    ending = None if path.is_dir() else ending_of(path.name)
    return path.name[: -len(ending)] if ending else path.name


def _best(images: set[str], masks: set[str], *where: Path) -> Rule:
    """The rule that pairs most names, of equals the shortest."""
    pairings = {rule: _paired(rule, images, masks) for rule in [Rule(), *_candidates(images, masks)]}
    ordered = sorted(pairings, key=lambda rule: (-len(pairings[rule]), len("".join(rule)), rule))
    best = ordered[0]
    most = len(pairings[best])
    if 2 * most < min(len(images), len(masks)) or not most:
        seen = " and masks like ".join(", ".join(sorted(side)[:3]) for side in (images, masks))
        raise ValueError(
            f"{where[0]} and {where[1]}: expected names that differ only before or after the case, such "
            f"as a.png and a_mask.png, got images like {seen}"
        )
    for other in ordered[1:]:
        if len(pairings[other]) == most and pairings[other] != pairings[best]:
            raise ValueError(
                f"{where[0]} and {where[1]}: expected one mask for each image, got two that fit: "
                f"{best.words()}, and {other.words()}; put those of one kind into their own folder"
            )
    return best


def _candidates(images: set[str], masks: set[str]) -> list[Rule]:
    """Rules by which some pair of the names has its longest common part as the case, the commonest first."""
    few, many = _spread(images, MOST), _spread(masks, MOST)
    few, many = (_spread(images, SAMPLE), many) if len(few) < len(many) else (few, _spread(masks, SAMPLE))
    found = Counter(rule for a in few for b in many if (rule := _rule(a, b)))
    return [rule for rule, _ in found.most_common(CANDIDATES)]


def _rule(image: str, mask: str) -> Rule | None:
    at = SequenceMatcher(None, image, mask, autojunk=False).find_longest_match()
    common = image[at.a : at.a + at.size]
    case = common.strip(SEPARATORS) if image != mask else common
    if not case:
        return None
    at_image, at_mask = at.a + common.index(case), at.b + common.index(case)
    rule = Rule(image[:at_image], image[at_image + len(case) :], mask[:at_mask], mask[at_mask + len(case) :])
    return None if _cuts_a_number(case, rule) else rule


def _cuts_a_number(case: str, rule: Rule) -> bool:
    """Whether a case begins or ends inside a number, as 10 does in img_010."""
    begins = case[0].isdigit() and any(part[-1:].isdigit() for part in (rule.before_image, rule.before_mask))
    ends = case[-1].isdigit() and any(part[:1].isdigit() for part in (rule.after_image, rule.after_mask))
    return begins or ends


def _paired(rule: Rule, images: set[str], masks: set[str]) -> set[tuple[str, str]]:
    """The pairs of names that a rule makes."""
    one, two = rule.images(images), rule.masks(masks)
    return {(one[case], two[case]) for case in set(one) & set(two)}


def _cases(names: Iterable[str], before: str, after: str) -> dict[str, str]:
    edges = len(before) + len(after)
    fit = (name for name in names if name.startswith(before) and name.endswith(after) and len(name) > edges)
    return {name[len(before) : len(name) - len(after)]: name for name in fit}


def _spread(names: set[str], most: int) -> list[str]:
    """At most so many of the names, from first to last."""
    ordered = sorted(names)
    return ordered[:: -(-len(ordered) // most)]


def _expression(before: str, after: str, paths: list[Path]) -> str:
    """The regular expression for whole names with these endings; group 1 is the case."""
    endings = sorted({path.name[len(stem(path)) :] for path in paths})
    any_of = "|".join(map(re.escape, endings))
    ending = f"(?:{any_of})" if len(endings) > 1 else any_of
    return f"{re.escape(before)}(.+){re.escape(after)}{ending}"


def _from(home: Path, folder: Path) -> str:
    """`folder` as the card in `home` names it."""
    home, folder = home.resolve(), folder.resolve()
    return folder.relative_to(home).as_posix() if folder.is_relative_to(home) else str(folder)
