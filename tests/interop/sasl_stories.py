"""What can happen between a client and a listener with SASL, as stories that are told to two brokers: a name and what was answered, each of which must be the same.

Users: anna (password secret) and bert (geheim) by PLAIN, sara (pw) by SCRAM; sessions last an hour.
"""
import time

from kafka_cluster import select_pause
from raw_sasl import Scram, Wire, create_token, describe_tokens, expire_token, renew_token

ALL = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
SHA = "SCRAM-SHA-256"

PLAIN_TOKENS = [b"", b"anna", b"\0anna", b"\0anna\0", b"\0\0secret", b"\0anna\0secret\0x", b"\0anna\0secret\0", b"\0\xff\xfe\0secret", b"\0anna\0se\0cret\0x\0y",
                b"\0" * 10, b"anna\0anna\0secret", b"bert\0anna\0secret", b"\0anna\0Secret", b"\0nobody\0secret"]
FIRST_MESSAGES = [b"", b"n", b"n,,", b"n,,n=sara", b"n,,r=abc,n=sara", b"y,,n=sara,r=abc", b"p=tls,,n=sara,r=abc", b"n,,n=,r=abc", b"n,,n=sara,r=", b"n,a=sara,n=sara,r=abc",
                  b"n,a=bert,n=sara,r=abc", b"n,a=,n=sara,r=abc", b"n,,n=s=ra,r=abc", b"n,,n=s=2Cra,r=abc", b"n,,n=s=2cra,r=abc", b"n,,n=sara,r=ab c", b"n,,n=sara,r=abc,",
                  b"n,,n=sara,r=abc,x=", b"n,,n=sara,r=abc,=x", b"n,,n=sara,r=abc,1=2", b"n,,n=sara,r=abc,x=y=z", b"n,,m=x,n=sara,r=abc", b"n,,m=,n=sara,r=abc",
                  b"n,,n=s\xc3\xa4ra,r=abc", b"\xff\xff", b"n,,n=sara,r=abc\n", b"n,,n=sara,r=abc\0", b"n,,n=sara,r=" + b"z" * 100000,
                  b"n,,n=sara,r=abc,tokenauth=true", b"n,,n=sara,r=abc,tokenauth=TRUE", b"n,,n=sara,r=abc,tokenauth=yes"]
FINALS = [{"nonce": "other"}, {"nonce": "abcdefghijklmnop"}, {"channel": "eSws"}, {"channel": "!"}, {"channel": "biw"}, {"channel": ""}, {"proof": "***"}, {"proof": "AAAA"},
          {"proof": ""}, {"proof": "A" * 43 + "="}, {"proof": "A" * 4000}]
FINAL_MESSAGES = [b"", b"c=biws,r=R", b"c=biws,r=R,x=y", b"\xff", b"n,,n=sara,r=abc", b"e=other", b"c=biws,r=R,x=y,p=AAAA", b"r=R,c=biws,p=AAAA"]


def told(first):
    """Of the server's first message: what is not random."""
    return first if first is None or first[0] else (first[0], first[1], len(first[2]) > 30, first[3])


def handshakes(wire):
    for version in (0, 1):
        for mechanism in ("GSSAPI", "", "plain", "SCRAM-SHA-1", "OAUTHBEARER"):
            with wire() as w:
                yield f"handshake v{version} {mechanism}", w.handshake(mechanism, version), w.is_closed()
    with wire() as w:
        yield "handshake v2", w.handshake("PLAIN", 2)
    with wire() as w:
        yield "metadata first", w.metadata()
    with wire() as w:
        yield "metadata after versions", w.versions(), w.metadata()
    with wire() as w:
        yield "versions twice", w.versions(), w.versions()
    with wire() as w:
        yield "versions after handshake", w.handshake("PLAIN"), w.versions(), w.is_closed()
    with wire() as w:
        yield "handshake twice", w.handshake("PLAIN"), w.handshake("PLAIN"), w.is_closed()
    with wire() as w:
        yield "metadata after handshake", w.handshake("PLAIN"), w.metadata(), w.is_closed()
    with wire() as w:
        yield "token first", w.authenticate(b"\0anna\0secret")
    with wire() as w:
        yield "token v3", w.handshake("PLAIN"), w.authenticate(b"\0anna\0secret", 3)
    for bytes_ in (b"\0anna\0secret", b"n,,n=anna,r=x", b""):
        with wire() as w:
            yield f"a frame that is no request {bytes_}", w.frame(bytes_)


def plain(wire):
    with wire() as w:
        yield "with versions", w.versions(), w.plain("anna", "secret"), w.metadata()
    for version in (0, 1, 2):
        with wire() as w:
            yield f"v{version}", w.plain("anna", "secret", version), w.metadata()
    for token in PLAIN_TOKENS:
        with wire() as w:
            yield f"token {token}", w.handshake("PLAIN"), w.authenticate(token)
    for password in ("secret", "wrong"):
        with wire() as w:
            yield f"bare {password}", w.handshake("PLAIN", 0), w.frame(f"\0anna\0{password}".encode()), w.metadata()
    for size in (524288 - 40, 524289):
        with wire() as w:
            yield f"{size} bytes", w.handshake("PLAIN"), w.authenticate(b"\0anna\0" + b"x" * size, 0)


def scram(wire):
    for mechanism in ALL[1:]:
        for user, password in (("sara", "pw"), ("sara", "px"), ("nobody", "pw")):
            for version in (0, 2):
                with wire() as w:
                    yield f"{mechanism} v{version} {user} {password}", w.scram(Scram(mechanism, user, password), version), w.metadata()
        for password in ("pw", "px"):
            with wire() as w:
                s = Scram(mechanism, "sara", password)
                w.handshake(mechanism, 0)
                first = w.frame(s.first())
                final = w.frame(s.final(first))
                yield f"{mechanism} bare {password}", s.shape(first), final and s.proven(final), w.metadata()
    for extension in (",foo=bar", ",tokenauth=false"):
        with wire() as w:
            yield f"extension {extension}", w.scram(Scram(SHA, "sara", "pw", extensions=extension)), w.metadata()
    for message in FIRST_MESSAGES:
        with wire() as w:
            w.handshake(SHA)
            yield f"first {message[:60]}", told(w.authenticate(message))
    for change in FINALS:
        with wire() as w:
            s = Scram(SHA, "sara", "pw")
            w.handshake(SHA)
            final = w.authenticate(s.final(w.authenticate(s.first())[2], **change))
            yield f"final {change}", final and (final[:2], final[0] == 0 and s.proven(final[2]), final[3]), w.metadata()
    for message in FINAL_MESSAGES:
        with wire() as w:
            s = Scram(SHA, "sara", "pw")
            w.handshake(SHA)
            nonce = w.authenticate(s.first())[2].split(b",")[0][2:]
            yield f"final {message}", w.authenticate(message.replace(b"R", nonce)), w.is_closed()
    with wire() as w:
        s = Scram(SHA, "sara", "pw")
        w.handshake(SHA)
        final = w.authenticate(s.final(w.authenticate(s.first())[2]).replace(b",p=", b",x=y,p="))
        yield "final with an extension", final[:2], s.proven(final[2])


def sessions(wire):
    with wire() as w:
        yield "again", w.plain("anna", "secret"), w.plain("anna", "secret"), w.metadata()
    with wire() as w:
        yield "twice in a second", w.plain("anna", "secret"), w.plain("anna", "secret"), w.handshake("PLAIN"), w.authenticate(b"x"), w.metadata()
    with wire() as w:
        yield "token without handshake", w.plain("anna", "secret"), w.authenticate(b"\0anna\0secret"), w.metadata()
    with wire() as w:
        yield "another mechanism", w.plain("anna", "secret"), w.handshake(SHA), w.metadata()
    with wire() as w:
        yield "unknown mechanism", w.plain("anna", "secret"), w.handshake("X"), w.metadata()
    with wire() as w:
        yield "another user", w.plain("anna", "secret"), w.plain("bert", "geheim"), w.metadata()
    with wire() as w:
        yield "wrong password", w.plain("anna", "secret"), w.plain("anna", "wrong"), w.metadata()
    with wire() as w:
        yield "wrong password by SCRAM", w.scram(Scram(SHA, "sara", "pw")), w.scram(Scram(SHA, "sara", "px")), w.metadata()
    with wire() as w:
        yield "handshake only", w.plain("anna", "secret"), w.handshake("PLAIN"), w.metadata(), w.metadata()
    with wire() as w:
        yield "bare", w.plain("anna", "secret"), w.handshake("PLAIN", 0), w.frame(b"\0anna\0secret"), w.metadata()
    with wire() as w:
        yield "v0", w.plain("anna", "secret", 0), w.plain("anna", "secret", 0), w.metadata()
    with wire() as w:
        yield "versions between", w.plain("anna", "secret"), w.versions(), w.handshake("PLAIN"), w.versions(), w.metadata()


def tell(address, chapter):
    return {name: answers for name, *answers in chapter(lambda: Wire(address))}


# ---- delegation tokens (KIP-48) ----

MINUTE = 60000
DAY = 24 * 60 * MINUTE
TOKEN_ENDS = 7 * DAY


class Bearer:
    """A user and what he does with tokens; times come back as whole minutes from now, so that they can be compared."""

    def __init__(self, wire, name, password):
        self.wire, self.name = wire(), name
        error = self.wire.plain(name, password)[0]
        assert not error, error

    def create(self, *arguments, **options):
        """The token; Kafka's broker hears of it from its controller some time later."""
        token = create_token(self.wire, *arguments, **options)
        until(lambda: token.error or self.find(token))
        return token

    def find(self, token):
        return next((t for t in self.described() if t[5] == token.id), None)

    def described(self, owners=None):
        return describe_tokens(self.wire, owners)[1]

    def shown(self, owners=None):
        """error, and of each token what is not random"""
        error, tokens = describe_tokens(self.wire, owners)
        return error, sorted(t[:3] for t in tokens)

    def renew(self, token, period_ms=-1):
        return in_minutes(renew_token(self.wire, token.hmac, period_ms))

    def expire(self, token, period_ms=-1):
        return in_minutes(expire_token(self.wire, token.hmac, period_ms))


def in_minutes(answer):
    error, at = answer
    return error, round((at / 1000 - time.time()) / 60) if at > 0 else at


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it does not become so"
        select_pause(0.02)


def bears(wire, token, password=None, mechanism=SHA, extensions=",tokenauth=true"):
    """Log in with a token: the connection, and what was told."""
    w = wire()
    first, final = w.scram(Scram(mechanism, token.id, password or token.password(), extensions=extensions))
    return w, (first[0], first[1]), final and (final[0], final[1], final[2], round(final[3] / MINUTE))


def making(wire):
    anna, bert = Bearer(wire, "anna", "secret"), Bearer(wire, "bert", "geheim")
    for lifetime in (-5, -1, 0, MINUTE, DAY, TOKEN_ENDS, TOKEN_ENDS + 1, 2 ** 62):
        token = anna.create(lifetime_ms=lifetime)
        yield f"lifetime {lifetime}", token.told(), anna.find(token)[:5], anna.expire(token)
        until(lambda: not anna.find(token))
    for renewers in ([("Group", "x")], [("User", "bert"), ("", "x")]):
        yield f"renewers {renewers}", anna.create(renewers).told()
    for renewers in ([("User", "")], [("User", "carl"), ("User", "bert"), ("User", "carl")]):
        token = anna.create(renewers)
        yield f"renewers {renewers}", token.told(), anna.find(token)[:5], anna.expire(token)
    for owner in (("User", "dora"), ("Group", "g"), ("", "x"), ("User", ""), ("User", "bert")):
        token = bert.create([("User", "anna")], owner=owner)
        yield f"owner {owner}", token.told(), bert.find(token)[:5], bert.renew(token), anna.renew(token), anna.expire(token)
    yield "no type of owner", create_token(bert.wire, owner=(None, "x")).told()[:3]
    until(lambda: not anna.described())
    yield "nothing is left", anna.shown()


def living(wire):
    anna, bert = Bearer(wire, "anna", "secret"), Bearer(wire, "bert", "geheim")
    own, shared = anna.create(), anna.create([("User", "bert")])
    until(lambda: bert.find(shared))
    for period in (-1, 0, MINUTE, 3 * DAY, 2 ** 62):
        yield f"renewed by {period}", bert.renew(shared, period), anna.renew(own, period)
    yield "not his", bert.renew(own), bert.expire(own), bert.expire(own, MINUTE)
    for period in (60 * MINUTE, 30 * DAY):
        yield f"expires in {period}", bert.expire(shared, period)
    for name, owners in (("all", None), ("none", []), ("anna's", [("User", "anna")]), ("bert's", [("User", "bert")]), ("of a group", [("Group", "anna")]),
                         ("of two", [("User", "anna"), ("User", "bert")])):
        yield f"described: {name}", anna.shown(owners), bert.shown(owners)
    yield "expires at once", bert.expire(shared, 0)
    until(lambda: shared.issued + anna.find(shared)[3] < time.time() * 1000 - 100)  # the millisecond in which it expires still counts
    yield "when it has expired", anna.renew(shared), anna.expire(shared, MINUTE), bool(anna.find(shared))
    until(lambda: bears(wire, shared)[2] and bears(wire, shared)[2][3] == 0)
    w, *told_ = bears(wire, shared)
    yield "it still logs in, for nothing", told_, w.metadata()
    yield "removed", anna.expire(shared)
    until(lambda: not anna.find(shared))
    yield "then nobody knows it", bears(wire, shared)[1:], anna.expire(shared), anna.renew(shared)
    for secret in (b"", b"x", b"\0" * 64, b"\0" * 65):
        yield f"no such secret {len(secret)}", renew_token(anna.wire, secret), expire_token(anna.wire, secret)
    yield "end", anna.expire(own)


def bearing(wire):
    anna = Bearer(wire, "anna", "secret")
    token = anna.create()
    for mechanism in ALL[1:]:
        w, *told_ = bears(wire, token, mechanism=mechanism)
        yield f"{mechanism}", told_, w.metadata()
        yield f"{mechanism}: no tokens by tokens", create_token(w).told(), renew_token(w, token.hmac), expire_token(w, token.hmac), describe_tokens(w)
        yield f"{mechanism}: again", w.scram(Scram(mechanism, token.id, token.password(), extensions=",tokenauth=true"))[1][:3], w.metadata()
        yield f"{mechanism}: wrong", bears(wire, token, "x", mechanism=mechanism)[1:]
    yield "without tokenauth", bears(wire, token, extensions="")[1:]
    w = wire()
    yield "a user is no token", w.scram(Scram(SHA, "sara", "pw", extensions=",tokenauth=true"))
    w = wire()
    yield "nor a token a user", w.plain(token.id, token.password())
    for authorization in ("anna", token.id):
        w = wire()
        w.handshake(SHA)
        yield f"authorization as {'its owner' if authorization == 'anna' else 'itself'}", w.authenticate(f"n,a={authorization},n={token.id},r=abc,tokenauth=true".encode())[:2]
    w, *_ = bears(wire, token)
    yield "another mechanism", w.handshake("PLAIN"), w.metadata()
    yield "end", anna.expire(token)


def not_enabled(wire):
    anna = Bearer(wire, "anna", "secret")
    token = create_token(anna.wire)
    yield "disabled", token.told(), renew_token(anna.wire, b"x"), expire_token(anna.wire, b"x"), describe_tokens(anna.wire), describe_tokens(anna.wire, [])
    yield "disabled and wrong", create_token(anna.wire, [("Group", "x")]).told()


def not_authenticated(wire):
    w = wire()
    yield "nobody", create_token(w).told()[:3], renew_token(w, b"x"), expire_token(w, b"x"), describe_tokens(w)
