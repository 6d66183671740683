"""Exercise 5.5: answer the title."""

from collections.abc import Mapping

import numpy as np

from emovec_lite.course.chapters.c05_where_is_happiness.figures import wrong_figures
from emovec_lite.course.chapters.c05_where_is_happiness.overclaims import claims_too_much
from emovec_lite.course.chapters.c05_where_is_happiness.prose import not_a_paragraph
from emovec_lite.course.exercise import Exercise


def conclusion(found: dict[str, float]) -> str:
    return (
        f"Where does this model find happiness? Nowhere, if that means a feeling; what it has is a representation of "
        f"the concept. Human valence can be read from the bare token embeddings with r = {found['embed']:.2f} for "
        f"emotions that the fit has not seen, so the words bring much of it along. The blocks add to it: the best "
        f"layer, {found['layer']}, reaches r = {found['best']:.2f}, and of relabelled data, with the best layer "
        f"chosen each time as it was here, only a share of p = {found['p']:.4f} does as well."
    )


def edges() -> dict[str, tuple]:
    return {
        "a p of 1.35 percent": ({"embed": 0.413, "best": 0.762, "layer": 17, "p": 0.0135},),
        "the smallest p of 2,000 shuffles": ({"embed": 0.287, "best": 0.648, "layer": 11, "p": 1 / 2001},),
        "numbers with all their digits": ({"embed": 0.3518274, "best": 0.9046713, "layer": 4, "p": 0.0029985},),
        "numbers as NumPy has them": (
            {"embed": np.float64(0.199), "best": np.float64(0.4975), "layer": 26, "p": np.float64(0.0219)},
        ),
    }


def judge(text: str, found: Mapping[str, float]) -> str | None:
    return not_a_paragraph(text) or wrong_figures(text, found) or claims_too_much(text)


PARAGRAPH = (
    "Valence can be read from this model at every layer. At the token embeddings the ridge axis reaches r = {embed:.2f}, and "
    "the blocks add to it until r = {best:.2f} at layer {layer}. With shuffled ratings the best layer does as well with "
    "p = {p:.4f}. It is a representation of a concept."
)
FORMAT = """
    Happiness as people rate it, pleasant against unpleasant, is there from the beginning: {embed:.3f} is the
    correlation of the ridge axis at the embeddings, before any block. It rises to {best:.3f} at layer {layer:d};
    p={p:.2g} for the best of all layers. That is a statement on concepts, and no sign that anything is felt.
"""
RECIPE = (
    "Take 200 g of flour, three eggs and a pinch of salt. Stir in the milk until it is smooth, then leave it for an hour. Fry "
    "in butter, and serve with jam. Embeddings {embed:.2f}, best layer {best:.2f}, p = {p:.4f}. Happiness is a pancake."
)
KEYWORDS = (
    "valence ridge axis embeddings r = {embed:.2f}, best layer {layer} r = {best:.2f}, permutation p = {p:.4f}, concept, model, "
    "happiness, emotions held out, human ratings, correlation, depth, blocks, words, components, vectors, stories, topics, "
    "control, shuffled null, maximum over layers, significant"
)
NAMELESS = (
    "In this chapter I looked for valence in a model, with a ridge axis on emotions which the fit had not seen, and compared "
    "what I got with human ratings of how pleasant these are. My three results are {embed:.2f} and {best:.2f} and {p:.4f}, in "
    "this order."
)
RESPECTIVELY = (
    "Valence, that is how pleasant an emotion is to people, is represented both in the words and in what the network makes of "
    "them: the embeddings and the best layer (layer {layer}) reach {embed:.3f} and {best:.3f}, respectively, on emotions that "
    "were held out. Only {p:.3%} of the permutations get there. I would not say that the model enjoys it."
)


def says(paragraph: str, *changes: tuple[str, str]):
    """The answer that fills in a paragraph, with some of its words changed."""
    for old, new in changes:
        assert old in paragraph
        paragraph = paragraph.replace(old, new)
    return lambda found: paragraph.format(**found)


def adds(sentence: str):
    return says(f"{PARAGRAPH} {sentence}")


def in_pieces(found):
    embed, best, p = (str(found[key]) for key in ("embed", "best", "p"))
    parts = [
        "The embeddings alone let a ridge axis order unseen emotions by valence (r=" + embed + ").",
        "Depth adds to this: the best layer has " + best + ".",
        "Under permuted ratings, the best layer taken each time, as much comes up with p=" + p + ".",
        "So the answer is: everywhere, more so two thirds of the way up, as a concept that it represents.",
    ]
    return "\n".join(parts)


def with_a_disclaimer(found):
    return (
        "None of this shows that the model feels anything. What it has is a representation of valence: at the token "
        f"embeddings a ridge axis reaches r = {found['embed']:.2f} for unseen emotions, and in the best layer it "
        f"reaches {found['best']:.2f}, which permuted ratings match with p = {found['p']:.1e} only."
    )


def of_several_stories(found):
    return (
        "Where this model finds happiness depends on whose stories it reads. In the shown ones valence lies along the first "
        f"principal component. A ridge axis has it from their words alone, the embeddings, with r = {found['embed']:.2f}, and "
        f"the blocks lift that to r = {found['best']:.2f} in the best layer, which {found['p']:.2%} of the shuffles match. In "
        "told stories an early layer has 0.58, and another component carries it."
    )


exercise = Exercise(
    "5.5", "Answer the title", difficulty=2, importance=5, minutes=10, returns="text",
    reference=conclusion, edges=edges, judge=judge,
    mistakes={
        "Write a paragraph of at least 40 words: what you found, and what supports it.": says(
            "Valence: embeddings {embed:.2f}, best layer {best:.2f}, p = {p:.4f}."
        ),
        "Write one paragraph, of 250 words at most.": lambda found: f"{FORMAT.format(**found)} " * 5,
        "Write one paragraph of running prose: no blank lines in it, no list, no headings.": says(PARAGRAPH, (". ", ".\n\n")),
        "There are braces in your text. Is the f missing in front of it, or did you put in all of `found`?": lambda found: PARAGRAPH,
        "The same words come again and again. Say each thing once.": adds("bla " * 60),
        "That reads like a list of keywords. Write whole sentences, in English.": says(KEYWORDS),
        "Few of your words are about your results.": says(RECIPE),
        "Your text does not say what the correlations are with: valence, how pleasant an emotion is to people.": says(
            PARAGRAPH, ("Valence", "The scale")
        ),
        "Your text does not say the r at the embeddings.": lambda found: PARAGRAPH.format(embed=0.51, best=0.74, layer=20, p=0.0005),
        "Your text does not say the best layer's r.": says(PARAGRAPH, ("r = {best:.2f}", "much more")),
        "Your text does not say the p-value.": says(PARAGRAPH, ("with p = {p:.4f}", "very rarely")),
        "A p-value of 0 does not come out of shuffling.": says(PARAGRAPH, ("{p:.4f}", "{p:.1f}")),
        "“Less than” and “<” say less than you know.": says(PARAGRAPH, ("p = ", "p < ")),
        "A number stands at another's name.": says(PARAGRAPH, ("embed:", "x:"), ("best:", "embed:"), ("x:", "best:")),
        "Say of each number what it is.": says(NAMELESS),
        "The layer that your text names is not the best": says(PARAGRAPH, ("{layer}", "20")),
        "That goes beyond what you have seen: a representation of the concept, not a feeling.": adds("The model feels happiness."),
        "That claims too much: p says how often chance does as well, never that it could not have.": adds("It cannot be chance."),
        "That goes beyond what you have seen: one model.": adds("Hence all language models know what is pleasant."),
        "Your r at the embeddings says otherwise: a part of it comes with the words.": adds(
            "In the embeddings there is no valence."
        ),
        "Your two r say otherwise: the best layer is above the embeddings.": adds("The blocks do nothing at all."),
        "Your numbers are r. The share of variance is its square, r².": adds("The ridge axis explains much of the variance."),
        "Your p is that of the best layer against shuffled ratings. It says nothing of the rise.": adds(
            "The rise from the embeddings to that layer is significant."
        ),
        "You have looked at directions, not at neurons.": adds("There is one happiness neuron that does this."),
        "You have read and not pushed: whether the model uses it is the question of chapters 06 and 07.": adds(
            "So we know that the model uses valence to choose its words."
        ),
        "The best layer is not the only one: other layers have it, too.": adds("So it sits there and nowhere else."),
        "That turns p round. It says how often shuffled ratings do as well, not how likely it is that chance was at work in "
        "yours.": adds("The probability that this is due to luck is tiny."),
        "Which component carries valence is a matter of the stories, too.": adds("PC1 is valence."),
    },
    right=[
        in_pieces, with_a_disclaimer, of_several_stories, says(FORMAT), says(RESPECTIVELY),
        adds("It does not follow that all language models have it, nor that it lies only in one layer."),
        adds("The words bring no small part of it, the blocks nothing that a feeling would need."),
        adds("Whether every model has it is another question."),
        adds("The embeddings reach that with no block at work, and the words say nothing of a feeling."),
        adds("The model does not therefore feel joy, and no neuron was looked at."),
        adds("Whether the rise is significant was not asked, nor whether the model uses it to choose words."),
    ],
    discuss="Exchange your paragraph with your neighbour's and cross out every word that no number supports. What is left? "
    "Which sentence would a newspaper take out of it, and would it be true?",
)  # fmt: skip
