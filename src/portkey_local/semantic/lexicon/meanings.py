"""Which words mean the same, and which the opposite, in questions people ask.

A line of `SYNONYMS` is one meaning. A word whose meaning depends on its use (order, charge, book as
a noun) stands in none, or in `VERBS`, which holds only where the word is used as a verb.
"""

from __future__ import annotations

from typing import Final

from portkey_local.semantic.stemming import stem

__all__ = ["CONCEPTS", "COST", "OPPOSITES", "VERBAL", "opposed"]

_SYNONYMS: Final = """
    fast quick rapid speedy
    fastest quickest
    faster quicker
    big large
    bigger larger
    biggest largest
    small little
    begin start commence
    finish complete
    buy purchase
    mobile cellphone smartphone
    photo photograph picture
    movie film
    car automobile
    bike bicycle
    doctor physician
    lawyer solicitor attorney
    job employment
    salary wage
    holiday vacation
    flat apartment
    parcel package
    delivery shipping shipment
    mute silence
    previous earlier prior
    last final
    cost price fee
    help assist
    fix repair
    modify alter amend change
    update upgrade
    delete remove erase
    error mistake
    issue problem
    forbid prohibit
    legal lawful
    illegal unlawful
    allow permit
    need require
    choose select pick
    display show
    reply respond
    answer response
    kid child
    mom mum mother
    dad father
    sick ill unwell
    illness sickness
    correct right
    incorrect wrong
    overseas abroad
    insurance cover coverage policy
    autumn fall
    trash rubbish garbage
    phone telephone
    tv television
    fridge refrigerator
    email mail
    info information detail
    document doc
    website site
    pic picture
    kg kilogram kilo
    km kilometer
    cm centimeter
    mm millimeter
    ml milliliter
    lb lbs
    ft feet
    hr hour
    min minute
    sec second
    mb megabyte
    gb gigabyte
    tb terabyte
    percent percentage
    approximately roughly about
    difference distinction
    meaning definition
    advantage benefit pro upside merit
    disadvantage drawback con downside
    symptom sign
    reason cause
    method technique
    usa america
    uk britain
    guarantee warranty
    invoice bill
    reservation booking
    refund reimburse
    employee worker staff
    employer company
    teacher instructor
    shop store
    sofa couch
    close shut
    safe secure
    dangerous unsafe hazardous
    expensive pricey costly
    cheap inexpensive affordable
    cheapest lowest
    difficult hard tough
    easy simple
    glad happy
    sad unhappy
    important essential crucial
    password passcode
    mean signify
    travel journey
    usually normally typically
    often frequently
    max maximum
    lower reduce decrease
    raise increase
    everyone everybody
    someone somebody
    anyone anybody
    nearby near close-by
    town city
    infant baby
    vegetarian veggie
    wifi wireless
"""

_VERBS: Final = """
    get obtain receive acquire request
    make create setup submit file lodge
    cancel terminate
    charge bill
    book reserve
    ask inquire enquire
    contact reach
    change switch
    connect link
    verify confirm
    enter input
    return give-back
    use utilise
    check view see
    stop quit
    activate enable
    deactivate disable
    hide conceal
    join enrol register
    exchange convert
    speak talk
    store keep
    locate find
    arrive come
    transfer move
    top-up topup
    earn make-money
    solve resolve
    enable activate
"""

_OPPOSITES: Final = """
    on/off in/out up/down into/out before/after with/without over/under above/below
    inside/outside since/until left/right first/last open/close open/shut enable/disable
    activate/deactivate lock/unlock mute/unmute add/remove add/delete install/uninstall
    subscribe/unsubscribe start/stop begin/end begin/finish accept/decline accept/reject
    approve/reject approve/deny allow/block allow/forbid allow/deny buy/sell lend/borrow
    send/receive give/take deposit/withdraw arrive/depart arrive/leave arrival/departure
    increase/decrease
    increase/reduce raise/lower advantage/disadvantage always/never all/none everything/nothing
    more/less most/least many/few max/min maximum/minimum high/low higher/lower highest/lowest
    best/worst better/worse good/bad big/small bigger/smaller biggest/smallest fast/slow
    faster/slower fastest/slowest early/late earliest/latest earlier/later long/short
    longer/shorter longest/shortest hot/cold warm/cool rich/poor cheap/expensive
    cheapest/dearest cheaper/dearer easy/difficult safe/dangerous light/dark light/heavy old/new
    oldest/newest old/young public/private internal/external import/export upload/download
    internet/offline online/offline hide/show win/lose pass/fail push/pull include/exclude
    incoming/outgoing entrance/exit enter/leave enter/exit connect/disconnect encrypt/decrypt
    legal/illegal possible/impossible true/false right/wrong correct/incorrect same/different
    adult/child male/female man/woman boy/girl husband/wife brother/sister mother/father
    son/daughter buyer/seller employer/employee landlord/tenant teacher/student parent/child
    credit/debit
    profit/loss gain/lose positive/negative plus/minus add/subtract multiply/divide
    married/single permanent/temporary domestic/international economy/business full/empty full/part
    morning/evening day/night weekday/weekend am/pm summer/winter spring/autumn north/south
    east/west northern/southern eastern/western top/bottom front/back upper/lower
    horizontal/vertical
    ascending/descending vegan/meat spicy/mild sweet/sour wet/dry clean/dirty hard/soft
    eat/avoid use/avoid keep/cancel keep/delete save/spend save/delete join/leave
    attach/detach freeze/unfreeze follow/unfollow link/unlink wrap/unwrap pack/unpack
    continue/stop resume/pause pause/play turn-on/turn-off require/optional mandatory/optional
    success/failure strength/weakness ally/enemy friend/enemy love/hate like/dislike agree/disagree
    appear/disappear visible/invisible able/unable qualified/unqualified eligible/ineligible
    fair/unfair lawful/unlawful known/unknown usual/unusual paid/unpaid do/undo renew/cancel
    lose/find get/offer get/provide stay/go
    opt-in/opt-out primary/secondary senior/junior gross/net personal/business rural/urban
"""

_DERIVED: Final = """
    pay/payment ship/shipment replace/replacement enroll/enrollment agree/agreement treat/treatment
    measure/measurement improve/improvement manage/management require/requirement move/movement
    employ/employment install/installation form/formation activate/activation cancel/cancellation
    register/registration verify/verification confirm/confirmation translate/translation
    calculate/calculation convert/conversion subscribe/subscription explain/explanation
    describe/description apply/application reserve/reservation authorize/authorization
    renew/renewal approve/approval remove/removal withdraw/withdrawal arrive/arrival refuse/refusal
    deliver/delivery discover/discovery recover/recovery invent/invention construct/construction
    produce/production destroy/destruction grow/growth die/death born/birth fail/failure
    depart/departure lose/loss sell/sale choose/choice analyze/analysis differ/difference
    insure/insurance exist/existence perform/performance allow/allowance maintain/maintenance
    wireless/wirelessly safe/safely quick/quickly easy/easily automatic/automatically
    free/freely online/internet clean/cleaning wait/waiting invest/investment settle/settlement
    complain/complaint expire/expiry expire/expiration sign/signature locate/location
    recommend/recommendation suggest/suggestion decide/decision permit/permission
    weigh/weight high/height long/length wide/width deep/depth strong/strength
    popular/popularity able/ability secure/security legal/legally monthly/month yearly/annual
    annually/annual
"""


def _concepts(lines: str) -> dict[str, str]:
    table: dict[str, str] = {}
    for line in lines.strip().splitlines():
        first, *others = (stem(word) for word in line.split())
        known = table.get(first, first)
        for other in others:
            table.setdefault(other, known)
    return table


def _couples(rows: str) -> list[tuple[str, str]]:
    couples = (row.split("/") for row in rows.split())
    return [(stem(first), stem(second)) for first, second in couples]


CONCEPTS: Final[dict[str, str]] = _concepts(_SYNONYMS)
"""The stem that stands for a stem of the same meaning."""

for _base, _noun in _couples(_DERIVED):
    CONCEPTS.setdefault(_noun, CONCEPTS.get(_base, _base))

COST: Final = CONCEPTS[stem("price")]
"""What "how much" may ask for."""

VERBAL: Final[dict[str, str]] = _concepts(_VERBS)
"""The same, where the word is used as a verb."""


def _pairs() -> frozenset[tuple[str, str]]:
    pairs = set()
    for first, second in _couples(_OPPOSITES):
        for one in {first, CONCEPTS.get(first, first), VERBAL.get(first, first)}:
            for other in {second, CONCEPTS.get(second, second), VERBAL.get(second, second)}:
                pairs |= {(one, other), (other, one)}
    return frozenset(pairs)


OPPOSITES: Final = _pairs()

_PREFIXES: Final = ("un", "in", "im", "il", "ir", "dis", "de", "non", "mis", "anti", "self", "re")
_SWAPPED: Final = (
    ("hyper", "hypo"), ("inter", "intra"), ("macro", "micro"), ("pre", "post"), ("over", "under"),
    ("in", "ex"), ("im", "ex"), ("im", "em"), ("up", "down"), ("ante", "post"), ("endo", "exo"),
    ("mono", "poly"), ("mini", "maxi"), ("super", "sub"), ("in", "out"), ("bi", "tri"),
    ("on", "off"),    ("intro", "extro"), ("hetero", "homo"), ("a", "de"), ("multi", "uni"),
    ("en", "dis"),
)  # fmt: skip


def opposed(first: str, second: str) -> bool:
    """Tell whether two stems mean the opposite of each other, by the list or by a prefix."""
    if (first, second) in OPPOSITES:
        return True
    short, long = sorted((first, second), key=len)
    if short.endswith("ful") and long == short.removesuffix("ful") + "less":
        return True
    if first[-3:] != second[-3:]:  # a prefix leaves the end alone
        return False
    if len(short) > 2 and any(long == prefix + short for prefix in _PREFIXES):
        return True
    return any(_swaps(first, second, *pair) or _swaps(second, first, *pair) for pair in _SWAPPED)


def _swaps(first: str, second: str, one: str, other: str) -> bool:
    rest = first.removeprefix(one)
    return len(rest) > 2 and rest != first and second == other + rest
