//! Tokens that begin with a prefix that their issuer gives to nothing else: one table. To add a kind, add a row.
//!
//! Prefixes, alphabets and lengths are the issuers' own. A word of a text can have the same prefix (`sk-ant-colony`): most
//! rows want a digit as well, or a small letter before a capital one.

use super::bytes::{
    is_alnum, is_base32, is_base64, is_dotted, is_hex, is_lower_hex, is_path, is_upper_alnum, is_url_safe, is_word,
    run, starts_word,
};
use super::found::Found;

/// How much of a body is searched for a sign that it is no word, so that a failed look is short.
const LOOK: usize = 64;
const ANY: usize = usize::MAX;

pub(super) struct Token {
    pub(super) kind: &'static str,
    pub(super) prefixes: &'static [&'static str],
    /// What follows the prefix: which bytes, and how many of them at least and at most.
    body: fn(u8) -> bool,
    least: usize,
    most: usize,
    is_no_word: bool,
}

type Prefixes = &'static [&'static str];

/// At least so many bytes, and as many as there are.
const fn open(kind: &'static str, prefixes: Prefixes, body: fn(u8) -> bool, least: usize) -> Token {
    Token { kind, prefixes, body, least, most: ANY, is_no_word: true }
}

/// Exactly so many bytes.
const fn exact(kind: &'static str, prefixes: Prefixes, body: fn(u8) -> bool, length: usize) -> Token {
    Token { kind, prefixes, body, least: length, most: length, is_no_word: false }
}

/// As [`open`], also if it could be a word.
const fn letters(kind: &'static str, prefixes: Prefixes, body: fn(u8) -> bool, least: usize) -> Token {
    Token { kind, prefixes, body, least, most: ANY, is_no_word: false }
}

/// Where one prefix begins another, the longer one comes first.
pub(super) const TOKENS: &[Token] = &[
    // Models and what is built on them.
    open("anthropic_key", &["sk-ant-"], is_url_safe, 20),
    open("openrouter_key", &["sk-or-v1-"], is_alnum, 32),
    open("langfuse_key", &["sk-lf-"], is_url_safe, 30),
    open("openai_key", &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"], is_url_safe, 20),
    open("openai_key", &["sk-"], is_alnum, 32),
    open("elevenlabs_key", &["sk_"], is_lower_hex, 48),
    letters("huggingface_token", &["hf_", "api_org_"], is_alnum, 30),
    open("groq_key", &["gsk_"], is_alnum, 40),
    open("xai_key", &["xai-"], is_alnum, 60),
    open("perplexity_key", &["pplx-"], is_alnum, 40),
    open("replicate_token", &["r8_"], is_alnum, 36),
    open("nvidia_key", &["nvapi-"], is_url_safe, 40),
    open("cerebras_key", &["csk-"], is_alnum, 40),
    open("fireworks_key", &["fw_"], is_alnum, 22),
    open("tavily_key", &["tvly-"], is_url_safe, 20),
    open("jina_key", &["jina_"], is_url_safe, 40),
    open("pinecone_key", &["pcsk_"], is_word, 40),
    open("langsmith_key", &["lsv2_pt_", "lsv2_sk_"], is_word, 32),
    open("anyscale_key", &["esecret_"], is_alnum, 20),
    open("e2b_key", &["e2b_"], is_lower_hex, 40),
    open("firecrawl_key", &["fc-"], is_lower_hex, 32),
    open("wandb_key", &["wandb_v1_"], is_word, 40),
    // Clouds and hosts.
    exact("aws_access_key", &["AKIA", "ASIA", "ABIA", "ACCA"], is_base32, 16),
    open("aws_bedrock_key", &["ABSK", "bedrock-api-key-"], is_base64, 80),
    open("aws_mws_key", &["amzn.mws."], is_url_safe, 36),
    open("alibaba_key", &["LTAI"], is_alnum, 16),
    exact("google_key", &["AIza"], is_url_safe, 35),
    open("google_key", &["GOCSPX-"], is_url_safe, 20),
    open("google_token", &["ya29.", "1//0"], is_url_safe, 20),
    open("digitalocean_token", &["dop_v1_", "doo_v1_", "dor_v1_"], is_alnum, 60),
    open("heroku_key", &["HRKU-"], is_url_safe, 36),
    open("fly_token", &["FlyV1 fm2_", "fm2_", "fm1a_", "fm1r_", "fo1_"], is_base64, 40),
    open("render_key", &["rnd_"], is_alnum, 28),
    open("netlify_token", &["nfp_"], is_alnum, 30),
    open("vercel_token", &["vcp_", "vci_", "vca_", "vcr_", "vck_"], is_alnum, 30),
    open("supabase_key", &["sbp_v0_", "sbp_", "sb_secret_"], is_word, 30),
    open("neon_key", &["napi_"], is_alnum, 40),
    open("cloudflare_key", &["v1.0-"], is_url_safe, 150),
    open("tailscale_key", &["tskey-"], is_url_safe, 20),
    open("yandex_key", &["AQVN"], is_url_safe, 35),
    open("scalingo_token", &["tk-us-"], is_url_safe, 48),
    open("planetscale_token", &["pscale_tkn_", "pscale_oauth_", "pscale_pw_"], is_dotted, 30),
    open("mongodb_secret", &["mdb_sa_sk_"], is_url_safe, 30),
    open("databricks_token", &["dapi", "dkea", "dose"], is_lower_hex, 32),
    open("dbt_token", &["dbtc_", "dbtu_"], is_url_safe, 30),
    exact("clickhouse_key", &["4b1d"], is_alnum, 38),
    // Code, packages and what builds them.
    letters("github_token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], is_alnum, 30),
    open("github_token", &["github_pat_"], is_word, 40),
    open("gitlab_token", &["glpat-", "gldt-", "glrt-", "glcbt-", "glffct-", "glft-", "glimt-"], is_dotted, 20),
    open("gitlab_token", &["glagent-", "gloas-", "glsoat-", "glptt-", "glwt-", "GR1348941"], is_url_safe, 20),
    open("bitbucket_token", &["ATBB"], is_alnum, 28),
    open("atlassian_token", &["ATATT3", "ATCTT3", "ATSTT3"], |byte| is_url_safe(byte) || byte == b'=', 60),
    letters("npm_token", &["npm_"], is_alnum, 36),
    open("pypi_token", &["pypi-AgE"], is_url_safe, 50),
    exact("crates_token", &["cio"], is_alnum, 32),
    open("rubygems_key", &["rubygems_"], is_lower_hex, 48),
    exact("nuget_key", &["oy2"], |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit(), 43),
    open("clojars_token", &["CLOJARS_"], is_alnum, 60),
    open("docker_token", &["dckr_pat_", "dckr_oat_"], is_url_safe, 20),
    open("artifactory_key", &["AKCp"], is_alnum, 60),
    exact("artifactory_key", &["cmVmd"], is_alnum, 59),
    open("circleci_token", &["CCIPAT_", "CCIPRJ_"], is_word, 40),
    open("buildkite_token", &["bkua_", "bkaa_", "bkpt_"], is_alnum, 36),
    open("sonar_token", &["sqp_", "sqa_", "squ_"], is_lower_hex, 40),
    open("snyk_token", &["snyk_uat.", "snyk_sat."], is_dotted, 30),
    open("sourcegraph_token", &["sgp_", "slk_"], is_word, 40),
    exact("octopus_key", &["API-"], is_upper_alnum, 26),
    open("harness_key", &["pat.", "sat."], is_dotted, 66),
    open("postman_key", &["PMAK-", "PMAT-"], is_url_safe, 24),
    open("infracost_key", &["ico-"], is_alnum, 32),
    open("readme_key", &["rdme_"], is_alnum, 60),
    // Secrets about secrets.
    open("vault_token", &["hvs.", "hvb.", "hvr."], is_url_safe, 24),
    open("doppler_token", &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."], is_dotted, 40),
    open("pulumi_token", &["pul-"], is_lower_hex, 40),
    open("onepassword_token", &["ops_eyJ"], is_base64, 100),
    open("onepassword_key", &["A3-"], |byte| is_upper_alnum(byte) || byte == b'-', 30),
    letters("age_key", &["AGE-SECRET-KEY-1"], is_upper_alnum, 50),
    open("openshift_token", &["sha256~"], is_url_safe, 43),
    open("prefect_key", &["pnu_", "pnb_"], is_alnum, 36),
    // People and their messages.
    open(
        "slack_token",
        &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxo-", "xoxe-", "xoxc-", "xoxd-"],
        is_slack,
        10,
    ),
    open("slack_token", &["xoxe.xoxp-", "xoxe.xoxb-", "xapp-"], is_url_safe, 10),
    letters(
        "slack_webhook",
        &["hooks.slack.com/services/", "hooks.slack.com/workflows/", "hooks.slack.com/triggers/"],
        is_path,
        30,
    ),
    letters(
        "discord_webhook",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/", "discord.com/api/v10/webhooks/"],
        is_path,
        60,
    ),
    open("teams_webhook", &["webhook.office.com/webhookb2/"], |byte| is_path(byte) || byte == b'@', 60),
    open("sendgrid_key", &["SG."], is_dotted, 60),
    open("brevo_key", &["xkeysib-", "xsmtpsib-"], is_url_safe, 60),
    open("mailgun_key", &["key-"], is_lower_hex, 32),
    Token { is_no_word: true, ..exact("resend_key", &["re_"], is_word, 33) },
    open("notion_token", &["ntn_"], is_alnum, 40),
    open("notion_token", &["secret_"], is_alnum, 43),
    open("linear_key", &["lin_api_", "lin_oauth_"], is_alnum, 30),
    open("figma_token", &["figd_", "figo_"], is_url_safe, 40),
    open("typeform_token", &["tfp_"], is_dotted, 40),
    open("contentful_token", &["CFPAT-"], is_url_safe, 40),
    open("intercom_token", &["dG9rO"], is_base64, 40),
    open("hubspot_token", &["pat-na1-", "pat-na2-", "pat-eu1-"], is_url_safe, 36),
    exact("twilio_key", &["SK"], is_lower_hex, 32),
    open("facebook_token", &["EAAC", "EAAM", "EAAG", "EAAB"], is_alnum, 100),
    open("adobe_secret", &["p8e-"], is_url_safe, 32),
    open("frameio_token", &["fio-u-"], is_url_safe, 60),
    open("intra42_secret", &["s-s4t2ud-", "s-s4t2af-"], is_lower_hex, 64),
    // Money and goods.
    open("stripe_key", &["sk_live_", "sk_test_", "sk_prod_", "rk_live_", "rk_test_", "rk_prod_"], is_alnum, 16),
    open("stripe_webhook_secret", &["whsec_"], is_base64, 24),
    open("shopify_token", &["shpat_", "shpca_", "shppa_", "shpss_", "shpua_"], is_hex, 32),
    open("square_token", &["sq0atp-", "sq0csp-"], is_url_safe, 22),
    exact("square_token", &["EAAA"], is_url_safe, 60),
    open(
        "paypal_token",
        &["access_token$production$", "access_token$sandbox$"],
        |byte| is_alnum(byte) || byte == b'$',
        40,
    ),
    open("shippo_token", &["shippo_live_", "shippo_test_"], is_hex, 40),
    open("easypost_key", &["EZAK", "EZTK"], is_alnum, 54),
    open("duffel_token", &["duffel_test_", "duffel_live_"], is_url_safe, 40),
    open("flutterwave_key", &["FLWSECK_TEST-", "FLWSECK-"], is_alnum, 12),
    open("plaid_token", &["access-production-", "access-sandbox-", "access-development-"], is_url_safe, 36),
    // What is measured.
    open("grafana_token", &["glsa_"], is_word, 40),
    open("grafana_token", &["glc_", "eyJrIjoi"], is_base64, 32),
    open("sentry_token", &["sntrys_", "sntryu_", "sntrya_"], |byte| is_base64(byte) || byte == b'_', 60),
    open("newrelic_key", &["NRAK-", "NRII-", "NRJS-", "NRBR-", "NRRA-"], is_url_safe, 19),
    open("dynatrace_token", &["dt0c01.", "dt0s01.", "dt0s02.", "dt0s16."], is_dotted, 60),
    open("honeycomb_key", &["hcaik_", "hcxik_", "hcalk_"], is_alnum, 50),
    open("mapbox_token", &["sk.eyJ"], is_dotted, 60),
    exact("airtable_token", &["pat"], |byte| is_alnum(byte) || byte == b'.', 79),
];

/// The token that begins here, if one does. Tries all rows: this is asked only of what is a secret already.
pub(super) fn token_at(text: &[u8], at: usize) -> Option<Found> {
    text.get(at..)?;
    TOKENS.iter().find_map(|token| token.prefixes.iter().find_map(|prefix| found(text, at, prefix, token)))
}

/// The token of this kind whose prefix begins at `at`.
pub(super) fn found(text: &[u8], at: usize, prefix: &str, token: &Token) -> Option<Found> {
    let end = end(text, at, prefix, token)?;
    Some(Found::alone(at..end, token.kind))
}

/// Where a token of this kind ends whose prefix begins at `at`.
fn end(text: &[u8], at: usize, prefix: &str, token: &Token) -> Option<usize> {
    if !text[at..].starts_with(prefix.as_bytes()) || !starts_word(text, at) {
        return None;
    }
    let body = at + prefix.len();
    let least = text.get(body..body.checked_add(token.least)?)?;
    if !least.iter().all(|byte| (token.body)(*byte)) {
        return None;
    }
    let look = &text[body..run(&text[..text.len().min(body + LOOK.max(token.least))], body, token.body)];
    if token.is_no_word && !is_no_word(look) {
        return None;
    }
    let end = run(&text[..text.len().min(body.saturating_add(token.most).saturating_add(1))], body, token.body);
    let ends_sentence = text[end - 1] == b'.';
    (end - body <= token.most).then_some(end - usize::from(ends_sentence))
}

fn is_no_word(text: &[u8]) -> bool {
    let mixed = |pair: &[u8]| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase();
    text.iter().any(u8::is_ascii_digit) || text.windows(2).any(mixed)
}

fn is_slack(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'%'
}
