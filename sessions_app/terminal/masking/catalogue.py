"""Secrets that say what they are: prefixes that their vendors publish so that they can be found.

Each rule was written after the vendor's own description, named in its comment. Lengths are lower bounds, as
vendors reserve the right to longer ones. A prefix that ordinary text has too (`sk-` ends in `task-`) is
bounded; one that says little by itself says which bodies are weak.
"""

import re
from typing import Final

from sessions_app.terminal.masking.rules import Rule, parse_rule

_WORD = "[A-Za-z0-9]"
_URL_SAFE = "[A-Za-z0-9_-]"
_BASE64 = "[A-Za-z0-9+/=]"

#: Lines of base64, indented or not, or all of them as one line of JSON.
_KEY_LINES = r"[A-Za-z0-9+/=\\\r\n\t ]{64,12000}"

#: Behind scheme, name and colon: too little to say anything, or what may be a port at the end of a sentence. A port
#: has five digits at most.
_MAY_BE_PORT = re.compile(rb".{0,2}|[0-9]{1,5}[.,;]*", re.DOTALL)

RULES: Final[tuple[Rule, ...]] = (
    # GitHub Docs, "About authentication to GitHub": ghp_ personal, gho_ OAuth, ghu_ and ghs_ app, ghr_ refresh.
    parse_rule("github-token", *(f"gh{kind}_{_WORD}{{36,255}}" for kind in "pousr")),
    # GitHub Docs, the same page: fine-grained personal access tokens.
    parse_rule("github-pat", f"github_pat_{_WORD}{{16,40}}_{_WORD}{{40,200}}"),
    # GitLab Docs, "Token overview": token prefixes.
    parse_rule(
        "gitlab-token",
        *(
            f"{prefix}-{_URL_SAFE}{{20,100}}[A-Za-z0-9_.-]{{0,200}}"
            for prefix in (
                "glpat",
                "gldt",
                "glrt",
                "glcbt",
                "glptt",
                "glft",
                "glimt",
                "glagent",
                "gloas",
                "glsoat",
            )
        ),
    ),
    # AWS IAM User Guide, "IAM identifiers", unique identifier prefixes: AKIA access key, ASIA temporary one.
    parse_rule("aws-key-id", "AKIA[A-Z2-7]{16}", "ASIA[A-Z2-7]{16}", is_bounded=True),
    # AWS CLI User Guide, "Configuration and credential file settings".
    parse_rule(
        "aws-secret-key",
        *(
            f"{name}[\"' :=]{{1,6}}([A-Za-z0-9/+=]{{40,1500}})"
            for name in (
                "aws_secret_access_key",
                "AWS_SECRET_ACCESS_KEY",
                "SecretAccessKey",
                "aws_session_token",
                "AWS_SESSION_TOKEN",
            )
        ),
    ),
    # Google Cloud Docs, "API keys overview": AIza and 35 characters.
    parse_rule("google-api-key", f"AIza{_URL_SAFE}{{35}}"),
    # Google Identity, "Using OAuth 2.0": access tokens begin with ya29., client secrets with GOCSPX-.
    parse_rule("google-oauth", rf"ya29\.{_URL_SAFE}{{30,2048}}", is_bounded=True),
    parse_rule("google-secret", f"GOCSPX-{_URL_SAFE}{{28}}"),
    # Slack API, "Token types": bot, user, app-level, configuration, refresh.
    parse_rule(
        "slack-token",
        *(
            f"{kind}-[A-Za-z0-9-]{{20,300}}"
            for kind in ("xoxb", "xoxp", "xoxa", "xoxr", "xoxs", "xoxo", "xapp")
        ),
        *(f"xoxe{dot}[A-Za-z0-9-]{{20,300}}" for dot in ("-", "\\.")),
    ),
    # Slack API, "Sending messages using incoming webhooks".
    parse_rule(
        "slack-webhook", r"hooks\.slack\.com/services/[A-Z0-9]{8,14}/[A-Z0-9]{8,14}/[A-Za-z0-9]{20,40}"
    ),
    # Discord Developer Docs, "Webhook resource".
    parse_rule("discord-webhook", rf"discord\.com/api/webhooks/[0-9]{{15,22}}/({_URL_SAFE}{{60,80}})"),
    # Stripe Docs, "API keys" and "Webhook signatures".
    parse_rule(
        "stripe-key",
        *(f"{kind}_{mode}_{_WORD}{{16,247}}" for kind in ("sk", "rk") for mode in ("live", "test")),
        is_bounded=True,
    ),
    parse_rule("stripe-webhook", f"whsec_{_BASE64}{{32,64}}"),
    # OpenAI API reference, "Authentication"; project, service-account and admin keys.
    parse_rule(
        "openai-key",
        *(f"sk-{kind}-{_URL_SAFE}{{20,250}}" for kind in ("proj", "svcacct", "admin")),
        is_bounded=True,
    ),
    # The older form: 48 letters and digits with OpenAI's own mark in their middle, as of others that took it over.
    parse_rule("api-key", f"sk-{_WORD}{{32,100}}", is_bounded=True),
    # Anthropic API reference, "Authentication": sk-ant-api03-, sk-ant-admin01-, sk-ant-oat01-.
    parse_rule("anthropic-key", f"sk-ant-[a-z0-9]{{3,12}}-({_URL_SAFE}{{20,250}})", is_bounded=True),
    # OpenRouter Docs, "API authentication".
    parse_rule("openrouter-key", f"sk-or-v1-{_WORD}{{40,100}}", is_bounded=True),
    # npm Docs, "About access tokens"; GitHub blog on the format shared with npm: npm_ and 36.
    parse_rule("npm-token", f"npm_{_WORD}{{36,100}}", is_bounded=True),
    # PyPI Help, "API tokens": a macaroon in base64, which begins with the encoded name of the index.
    parse_rule(
        "pypi-token", f"pypi-AgEIcHlwaS{_URL_SAFE}{{50,2000}}", f"pypi-AgENdGVzdC5weXBp{_URL_SAFE}{{50,2000}}"
    ),
    # Hugging Face Docs, "User access tokens".
    parse_rule("huggingface-token", f"hf_{_WORD}{{30,60}}", is_bounded=True),
    # Docker Docs, "Personal access tokens" and "Organization access tokens".
    parse_rule("docker-token", f"dckr_pat_{_URL_SAFE}{{27,64}}", f"dckr_oat_{_URL_SAFE}{{27,64}}"),
    # HashiCorp Vault Docs, "Tokens": hvs. service, hvb. batch, hvr. recovery.
    parse_rule("vault-token", *(rf"hv{kind}\.{_URL_SAFE}{{24,400}}" for kind in "sbr"), is_bounded=True),
    # HCP Terraform Docs, "API tokens": 14 characters, then .atlasv1. - the middle is what can be looked for.
    parse_rule("terraform-token", rf"\.atlasv1\.{_URL_SAFE}{{60,70}}"),
    # DigitalOcean API Docs, "Authentication": personal, OAuth and refresh tokens.
    parse_rule("digitalocean-token", *(f"do{kind}_v1_[a-f0-9]{{64}}" for kind in "por")),
    # SendGrid Docs, "API keys".
    parse_rule("sendgrid-key", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", is_bounded=True),
    # Mailgun and Twilio publish no prefix that is precise enough but for Twilio's API keys, which are ids.
    # Shopify Dev Docs, "Access tokens".
    parse_rule(
        "shopify-token", *(f"shp{kind}_[a-fA-F0-9]{{32}}" for kind in ("at", "ca", "pa", "ss", "ua", "tka"))
    ),
    # Square Developer, "Access tokens".
    parse_rule("square-token", *(f"{kind}-{_URL_SAFE}{{22,60}}" for kind in ("sq0atp", "sq0csp", "sq0idp"))),
    # Linear Developers, "Personal API keys".
    parse_rule("linear-key", f"lin_api_{_WORD}{{32,60}}"),
    # Notion Developers, "Authorization": ntn_ since 2024, secret_ before.
    parse_rule("notion-token", f"ntn_{_WORD}{{40,60}}", is_bounded=True),
    parse_rule("notion-token", f"secret_{_WORD}{{43}}", is_bounded=True),
    # Postman Learning Center, "API keys".
    parse_rule("postman-key", "PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    # Databricks Docs, "Personal access tokens".
    parse_rule("databricks-token", "dapi[a-f0-9]{32}", is_bounded=True),
    # Groq, xAI, Perplexity, Replicate: as their consoles and API references show them.
    parse_rule("groq-key", f"gsk_{_WORD}{{40,100}}", is_bounded=True),
    parse_rule("xai-key", f"xai-{_WORD}{{60,120}}", is_bounded=True),
    parse_rule("perplexity-key", f"pplx-{_WORD}{{40,80}}", is_bounded=True),
    parse_rule("replicate-token", f"r8_{_WORD}{{37,60}}", is_bounded=True),
    # Grafana Docs, "Service accounts" and "Access policies".
    parse_rule("grafana-token", f"glsa_{_WORD}{{32}}_[a-f0-9]{{8}}", is_bounded=True),
    parse_rule("grafana-token", f"glc_{_BASE64}{{32,400}}", is_bounded=True),
    # Sentry Docs, "Auth tokens".
    parse_rule("sentry-token", f"sntrys_{_BASE64}{{40,600}}_?{_BASE64}{{0,80}}"),
    parse_rule("sentry-token", "sntryu_[a-f0-9]{64}"),
    # age(1): identities. Bech32 leaves out B, I, O and 1.
    parse_rule("age-key", "AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    # RFC 7519: header and payload are JSON objects, so both begin with eyJ. The header is public.
    parse_rule(
        "jwt",
        rf"eyJ{_URL_SAFE}{{10,400}}\.eyJ({_URL_SAFE}{{8,6000}}\.{_URL_SAFE}{{16,1000}})",
        is_bounded=True,
    ),
    # RFC 7468, OpenSSH and OpenPGP: what stands between BEGIN and END.
    parse_rule(
        "private-key",
        *(
            rf"-----BEGIN {kind}-----({_KEY_LINES})"
            for kind in (
                *(f"{kind}PRIVATE KEY" for kind in ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ")),
                "PGP PRIVATE KEY BLOCK",
            )
        ),
    ),
    # RFC 1421: the same, encrypted, with headers before it.
    parse_rule("private-key", rf"DEK-Info: [A-Z0-9-]{{5,20}},({_KEY_LINES})"),
    # RFC 3986, user information: the password before the @. Ports look the same until the @ is there.
    parse_rule(
        "url-password",
        r"://[A-Za-z0-9_.%+-]{0,64}:([A-Za-z0-9!$%&*+,;=_.~^#?-]{3,256})@",
        weak_body=_MAY_BE_PORT,
    ),
)
