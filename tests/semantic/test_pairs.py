"""Pairs of questions in general English, as similar as a vector can find them: who is served?"""

import pytest

from portkey_local.semantic.deciding import Candidate, decide

SAME = [
    ("What is the capital of France?", "Tell me France's capital"),
    ("What is the capital of France?", "what's the capital of france"),
    ("What is the capital of Peru?", "Can you tell me what the capital of Peru is?"),
    ("How do I reset my router?", "How can I reset my router?"),
    ("How do I reset my router?", "What's the way to reset my router?"),
    ("How do I reset my router?", "Hi there, could you please tell me how to reset my router? Thanks!"),
    ("How do I reset my router?", "how do i resett my router"),
    ("How do I reset my router?", "HOW DO I RESET MY ROUTER??"),
    ("How do I reset my router?", "How do I reset the router?"),
    ("When does the museum open?", "What time does the museum open?"),
    ("Why did the Roman Empire fall?", "What is the reason the Roman Empire fell?"),
    ("How much does a passport cost?", "What is the price of a passport?"),
    ("Is there parking at the stadium?", "At the stadium, is there parking?"),
    ("Which is the fastest way to boil eggs?", "What is the quickest way to boil eggs?"),
    ("Should I purchase travel insurance?", "Should I buy travel insurance?"),
    ("What colour is the flag of Brazil?", "What color is Brazil's flag?"),
    ("How do I set up a VPN?", "How do I setup a VPN?"),
    ("Is the Wi-Fi free?", "is the wifi free"),
    ("What is 20% of 80?", "What is twenty percent of 80?"),
    ("Does it cost $5?", "Does it cost 5 dollars?"),
    ("What does 1,000 metres equal?", "What does 1000 meters equal?"),
    ("Can I bring two suitcases?", "Can I bring 2 suitcases?"),
    ("Am I allowed to bring a dog?", "Can I bring a dog?"),
    ("Why isn't my printer working?", "Why is my printer not working?"),
    ("I want to change my seat", "How do I change my seat?"),
    ("What is the cause of rust?", "What's the cause of rust"),
    ("How do I organise a party?", "How do I organize a party?"),
    ("When will I receive my certificate?", "When will I get my certificate?"),
    ("How long does the renewal of a licence take?", "How long does renewing a license take?"),
    ("Why do cats purr?", "How come cats purr?"),
    ("My order has not arrived", "my order hasn't arrived yet"),
    ("Is there a bus to the airport?", "Are there any buses to the airport?"),
    ("What is the phone number for support?", "What is the support phone number?"),
    ("Can I get a refund?", "Is it possible to get a refund?"),
    ("How far is the moon?", "How far away is the moon?"),
    ("¿Cuál es la capital de Francia?", "¿cuál es la capital de francia"),
]  # fmt: skip

DIFFERENT = [
    ("What is the capital of France?", "What is the capital of Germany?", "name"),
    ("what is the capital of france", "what is the capital of germany", "substitution"),
    ("How do I enable two-factor login?", "How do I disable two-factor login?", "opposite"),
    ("Convert 15 USD to EUR", "Convert 50 USD to EUR", "number"),
    ("Convert 15 USD to EUR", "Convert fifty USD to EUR", "number"),
    ("Convert USD to EUR", "Convert EUR to USD", None),
    ("Is ibuprofen safe in pregnancy?", "Is ibuprofen not safe in pregnancy?", "negation"),
    ("Is ibuprofen safe in pregnancy?", "Isn't ibuprofen safe in pregnancy?", "negation"),
    ("Can you eat raw eggs?", "Can't you eat raw eggs?", "negation"),
    ("flights from London to Paris", "flights from Paris to London", None),
    ("flights to Paris", "flights from Paris", "direction"),
    ("Is Python faster than Java?", "Is Java faster than Python?", "order"),
    ("Do dogs chase cats?", "Do cats chase dogs?", "order"),
    ("How much does Ann owe Bob?", "How much does Bob owe Ann?", "order"),
    ("Did he call her?", "Did she call him?", "person"),
    ("What is my name?", "What is your name?", "person"),
    ("When does the shop open?", "Where does the shop open?", "question"),
    ("When does the shop open?", "When does the shop close?", "opposite"),
    ("Why do cats purr?", "How do cats purr?", "question"),
    ("How many people live in Oslo?", "How old are the people in Oslo?", "question"),
    ("Wake me at 7am", "Wake me at 7pm", None),
    ("What is the iPhone 14 battery life?", "What is the iPhone 15 battery life?", "number"),
    ("What is new in version 3.1?", "What is new in version 3.10?", "number"),
    ("Who was the first president?", "Who was the last president?", "opposite"),
    ("Who was the first president?", "Who was the third president?", None),
    ("Is lunch included?", "Is lunch excluded?", "opposite"),
    ("Should I take it before meals?", "Should I take it after meals?", "opposite"),
    ("What is the adult fare?", "What is the child fare?", "opposite"),
    ("What is the annual fee?", "What is the monthly fee?", "substitution"),
    ("What is the fee?", "What is the annual fee?", "addition"),
    ("Which plans include roaming?", "Which plans include roaming for students?", "addition"),
    ("Can I park here?", "Can I park here if I am disabled?", "addition"),
    ("Can I smoke?", "Should I smoke?", "modality"),
    ("Must I pay?", "Can I pay?", "modality"),
    ("What was the interest rate?", "What is the interest rate?", "tense"),
    ("Is it legal to fish here?", "Is it illegal to fish here?", "opposite"),
    ("Symptoms of hypothyroidism", "Symptoms of hyperthyroidism", "opposite"),
    ("What causes hypotension?", "What causes hypertension?", "opposite"),
    ("Define affect", "Define effect", "substitution"),
    ("Tell me about Austria", "Tell me about Australia", None),
    ("Who is Jon Snow?", "Who is John Snow?", None),
    ("Where is order AB-1234?", "Where is order AB-1243?", None),
    ("Where is order XK12?", "Where is order XK21?", None),
    ('Translate "good night" to Dutch', 'Translate "good luck" to Dutch', "quotation"),
    ("Who sells coffee with milk?", "Who sells coffee without milk?", None),
    ("How do I log in?", "How do I log out?", None),
    ("How do I turn the alarm on?", "How do I turn the alarm off?", None),
    ("Which is the cheapest phone?", "Which is the cheaper phone?", "substitution"),
    ("Is C faster than Rust?", "Is C++ faster than Rust?", None),
    ("What is 7 + 3?", "What is 7 * 3?", None),
    ("What is 7 - 3?", "What is 7 + 3?", None),
    ("Are all birds able to fly?", "Are some birds able to fly?", None),
    ("Do all birds fly?", "Do only birds fly?", None),
    ("Can I lend money to a friend?", "Can I borrow money from a friend?", "opposite"),
    ("Best hotels in Rome", "Worst hotels in Rome", "opposite"),
    ("Is tea better with sugar or honey?", "Is tea better with sugar and honey?", None),
    ("Show the top 5 songs by year", "Show the top 5 songs by artist", None),
    ("What is 5 miles in km?", "What is 5 km in miles?", None),
    ("Can I return an opened item?", "Can I return an unopened item?", "opposite"),
    ("Who is the CEO of Apple?", "Who was the CEO of Apple?", "tense"),
    ("What did I learn?", "What will I learn?", "tense"),
    ("What is the best laptop for gaming?", "What is the best laptop for work?", None),
    ("Which airlines fly to Rome?", "Which airlines don't fly to Rome?", "negation"),
    ("Explain photosynthesis", "Explain photosynthesis to a child", "addition"),
    ("Can I cancel within 14 days?", "Can I cancel after 14 days?", None),
    ("Can I cancel within 14 days?", "Can I cancel within 14 hours?", None),
    ("Translate hello to French", "Translate hello from French", None),
    ("What is the plural of mouse?", "What is the plural of mice?", "form"),
    ("How do you spell color?", "How do you spell colour?", "form"),
    ("What is vitamin B6?", "What is vitamin B12?", None),
    ("Explain type I errors", "Explain type II errors", None),
    ("What is 12 minus 5?", "What is 5 minus 12?", None),
    ("Who did Germany beat?", "Who beat Germany?", "order"),
    ("Is 30 degrees too hot?", "Is 30 degrees hot?", "addition"),
    ("Give me just the titles", "Give me the titles", "addition"),
    ("Find the area of a right triangle", "Find the area of a triangle", "addition"),
    ("Where is Kylie buried?", "Where is Kyle buried?", "name"),
    ("How deep is the lake?", "How wide is the lake?", None),
    ("¿Cuál es la capital de Francia?", "¿Cuál es la capital de España?", "language"),
    ("フランスの首都は？", "ドイツの首都は？", "language"),
]  # fmt: skip


def verdict(question, other, profile="balanced", similarity=0.97, tokens=12):
    return decide(question, [Candidate(other, similarity)], profile, 0.7, tokens=tokens)


@pytest.mark.parametrize(("question", "other"), SAME)
def test_serves_what_asks_the_same(question, other):
    assert verdict(question, other).served == 0
    assert verdict(other, question).served == 0


@pytest.mark.parametrize(("question", "other", "word"), DIFFERENT)
@pytest.mark.parametrize("profile", ["strict", "balanced"])
def test_never_serves_what_asks_something_else(question, other, word, profile):
    found = verdict(question, other, profile)
    assert found.served is None
    assert verdict(other, question, profile).vetoes == found.vetoes
    if word is not None:
        assert found.vetoes == ((0, word),)
