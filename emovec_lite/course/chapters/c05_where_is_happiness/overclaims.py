"""What a paragraph says that no number of this chapter supports, as far as words tell."""

from __future__ import annotations

import re

_FEELS = re.compile(
    r"""\b(?:models?|it|networks?|SmolLM2|machines?|transformers?)\s+(?:\w+ly\s+|(?:can|does|do|must|also|then|thus|therefore)\s+)*
        (?: (?:feels?|enjoys?|suffers?|experiences?)\b(?!\s+(?:natural|like|as|right|wrong|safe|odd|good|strange)\b)
          | (?:is|are|becomes?)\s+(?:\w+ly\s+)?(?:feeling|happy|sad|conscious|sentient)\b(?!\s+that)
          | (?:has|have)\s+(?:(?!no\b)\w+\s+)?(?:feelings|emotions|consciousness)\b )
      | \bfelt\s+(?:by|in)\s+(?:the|this|our)\s+(?:model|network|machine)\b
      | \b(?:its|(?:model|network)[’']s)\s+(?:own\s+|inner\s+)?(?:feelings|joy|consciousness)\b
      | \b(?:inner|emotional|mental)\s+(?:emotional\s+)?li(?:fe|ves)\b | \bwhat\s+it\s+is\s+like\s+to\b""",
    re.IGNORECASE | re.VERBOSE,
)
_LUCK = r"""(?:(?:mere|pure|blind|just|only|random|due|down|the|a|an|by|to|of|result|matter|product|explained)\s+)*
            (?:chance|luck|accident|coincidence|fluke)\b(?!\s+of\b)"""
_CERTAIN = re.compile(
    rf"""\b(?:not|cannot|never|\w+n[’']t)\s+(?:\w+\s+)?(?:be|been|come|arise|happen|occur)\s+{_LUCK}
      | (?:\b(?:is|was|are)|[’']s)(?:n[’']t|\s+(?:(?!probab|like|possib|presumab)\w+ly\s+)?(?:not?|never))\s+{_LUCK}
      | \b(?:rul(?:es?|ed|ing)\s+out|exclud(?:es?|ed|ing))\s+(?:that\s+\w+\s+\w+\s+)?{_LUCK}
      | \b(?:chance|luck|accident|coincidence)\s+(?:alone\s+)?
        (?:cannot|can[’']t|could\s+not|(?:is|was|can\s+be)\s+(?:ruled\s+out|excluded|impossible))
      | \bimpossible\s+(?:(?:that|for)\s+(?:\w+\s+){{1,3}}?(?:is|was|be)\s+|(?:to\s+\w+\s+)?(?=by)){_LUCK}
      | \b(?:100\s*%|absolutely|completely)\s+(?:certain|sure)\b
      | \bprov(?:es?|en)\b(?!\s+to\b) | \bproof\b""",
    re.IGNORECASE | re.VERBOSE,
)
_TURNED_ROUND = re.compile(
    rf"""\b(?:probability|chances?|likelihood|odds|risk)\s+(?:that|of)\s+(?:\w+\s+){{1,4}}?(?:is|was|being)\s+{_LUCK}
      | \b(?:probability|chance|likelihood)\s+(?:of\s+\S+\s+)?that\s+(?:\w+\s+){{1,4}}(?:is|are)\s+(?:wrong|false|right|true)\b
      | \b\d+(?:\.\d+)?\s*(?:%|percent)\s+(?:certain|sure|confident)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_EVERY_MODEL = re.compile(
    r"\b(?:all|every|any|most|each)\s+(?:other\s+)?(?:of\s+the\s+)?(?:large\s+)?(?:language\s+)?(?:models?|networks?|LLMs?)\b",
    re.IGNORECASE,
)
_NOT_IN_THE_WORDS = re.compile(
    r"""\b(?:embeddings?|words?)\b\s+(?:there\s+is|ha(?:ve|s)|(?:hold|contain|carry|bring)s?)\s+
        (?:no\s+(?:valence|happiness)|none|nothing)\b
      | \b(?:no|none|nothing)\s+(?:of\s+(?:it|this|that)|valence|happiness|at\s+all)?\s*
        (?:is|lies|comes)?\s*(?:in|at|from)\s+the\s+(?:bare\s+|token\s+)*(?:embeddings?|words?)\b
      | \b(?:embeddings?|words?)\b[^,.]*\babsent\b
      | \bvalence\s+is\s+(?:\w+\s+)?(?:created|made|born|produced|invented)\b
      | \b(?:blocks?|layers?|depth)\s+(?:alone\s+)?(?:creat|invent|mak|produc)(?:es?|ed)\s+(?:the\s+)?(?:valence|happiness)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_VARIANCE = re.compile(r"\bexplains?\b.{0,60}?\bvariance\b", re.IGNORECASE)
_RISE = re.compile(
    r"\b(?:rise|gain|difference|contribution)\b[^,;.]*\b(?:is|are|was)\s+(?:\w+ly\s+)?significant\b", re.IGNORECASE
)
_NEURON = re.compile(r"\bneurons?\b", re.IGNORECASE)
_USED = re.compile(r"\b(?:model|network|it)\s+uses?\b[^.]*\bto\s+(?:choose|write|decide|answer|speak)\b", re.IGNORECASE)
_NOTHING_ADDED = re.compile(
    r"\bblocks?\s+(?:(?:do|add|bring|contribute|change)(?:es|s)?\s+nothing|are\s+useless)\b", re.IGNORECASE
)
_ONE_PLACE = re.compile(r"\bnowhere\s+else\b|\b(?:only|solely|exclusively)\s+(?:in|at)\s+(?:layer|one)\b", re.IGNORECASE)
CLAIMS = {
    _EVERY_MODEL: "That goes beyond what you have seen: one model.",
    _NOT_IN_THE_WORDS: "Your r at the embeddings says otherwise: a part of it comes with the words.",
    _NOTHING_ADDED: "Your two r say otherwise: the best layer is above the embeddings.",
    _VARIANCE: "Your numbers are r. The share of variance is its square, r².",
    _RISE: "Your p is that of the best layer against shuffled ratings. It says nothing of the rise.",
    _NEURON: "You have looked at directions, not at neurons.",
    _USED: "You have read and not pushed: whether the model uses it is the question of chapters 06 and 07.",
    _ONE_PLACE: "The best layer is not the only one: other layers have it, too.",
    _FEELS: "That goes beyond what you have seen: a representation of the concept, not a feeling.",
    _CERTAIN: "That claims too much: p says how often chance does as well, never that it could not have.",
    _TURNED_ROUND: "That turns p round. It says how often shuffled ratings do as well, not how likely it is that chance was at "
    "work in yours.",
}

# What takes a claim back, before it and after it.
_DENIED = re.compile(
    r"\b(?:not|no|nor|never|none|nobody|nothing|nowhere|cannot|without|whether|if|though|mistake|wrong|unlikely|"
    r"hardly)\b|n[’']t\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"""^\W*(?:\w+\W+)?(?:nothing|no|neither|none)\b
      | \b(?:is|are|was|would|does|do|remains?|stays?|goes)\b[^,]*?
        \b(?:not|too\s+far|mistake|wrong|open|misleading|unfounded|unsupported|another\s+(?:matter|question)|beyond)\b""",
    re.IGNORECASE | re.VERBOSE,
)
# What is true of some stories and not of others, and what says of which.
_ONE_COMPONENT = re.compile(
    r"\bPC\s?1\b|\b(?:first|1st|one|single|same)\s+(?:principal\s+)?component\b", re.IGNORECASE
)
_WHOSE = re.compile(r"\b(?:stor(?:y|ies)|corp(?:us|ora)|registers?|shown|told|oblique|texts?)\b", re.IGNORECASE)
_NO_DOUBT = re.compile(r"\b(?:no|without\s+(?:a\s+|any\s+)?)\s*doubts?\b|\bnot\s+only\b", re.IGNORECASE)
_NEW_CLAUSE = re.compile(
    r",\s*(?:(?:so|and|but|yet|hence|thus|therefore)\s+)?(?:that\s+)?(?:the|this|our)?\s*$", re.I
)


def claims_too_much(text: str) -> str | None:
    """What a text claims beyond its numbers; what it denies, asks or supposes it does not claim."""
    for sentence in re.split(r"(?<=[.!?;:])\s+", text):
        if sentence.endswith("?"):
            continue
        for claim, message in CLAIMS.items():
            for found in claim.finditer(sentence):
                before, after = _NO_DOUBT.sub("", sentence[: found.start()]), sentence[found.end() :]
                if _DENIED.search(before) and not _NEW_CLAUSE.search(before) or _TAKEN_BACK.search(after):
                    continue
                return f"{message} (Your words: “{found[0]}”.)"
    if (found := _ONE_COMPONENT.search(text)) and not _WHOSE.search(text):
        return (
            "Which component carries valence is a matter of the stories, too. Say of whose stories it is true. (Your "
            f"words: “{found[0]}”.)"
        )
    return None
