//! Forges, continuous integration and package registries.

use super::Rule;
use super::example::{alnum, alone, base64, digits, hex, lower, uuid, within};
use super::value::{plausible, plausible_github};

/// Rules of forges and registries.
pub(super) const RULES: &[Rule] = &[
    rule!(
        "github-pat",
        "classic personal access token of GitHub",
        ["ghp_"],
        r"(?-u)(?<secret>ghp_[A-Za-z0-9]{36,})",
        3.0,
        Certain,
        plausible_github,
        alone(&["gh", "p_", &alnum(36)])
    ),
    rule!(
        "github-oauth",
        "OAuth token of GitHub",
        ["gho_"],
        r"(?-u)(?<secret>gho_[A-Za-z0-9]{36,})",
        3.0,
        Certain,
        plausible_github,
        alone(&["gh", "o_", &alnum(36)])
    ),
    rule!(
        "github-app",
        "token of a GitHub app",
        ["ghu_", "ghs_"],
        r"(?-u)(?<secret>gh[us]_[A-Za-z0-9_]{36,})",
        3.0,
        Certain,
        plausible_github,
        alone(&["gh", "s_", &alnum(36)])
    ),
    rule!(
        "github-refresh",
        "refresh token of GitHub",
        ["ghr_"],
        r"(?-u)(?<secret>ghr_[A-Za-z0-9]{36,})",
        3.0,
        Certain,
        plausible_github,
        alone(&["gh", "r_", &alnum(36)])
    ),
    rule!(
        "github-fine-grained",
        "fine-grained token of GitHub",
        ["github_pat_"],
        r"(?-u)(?<secret>github_pat_[A-Za-z0-9_]{40,})",
        3.0,
        Certain,
        plausible_github,
        alone(&["github", "_pat_", &alnum(22), "_", &alnum(59)])
    ),
    named!(
        "github-secret",
        "client secret of a GitHub app",
        ["github"],
        r"github[_.\-]?(?:oauth|app)?[_.\-]?client[_.\-]?secret",
        r"[0-9a-f]{40}\b",
        3.0,
        "GITHUB_CLIENT_SECRET",
        &hex(40)
    ),
    token!(
        "gitlab-pat",
        "personal access token of GitLab",
        ["glpat-"],
        r"glpat-[A-Za-z0-9_\-]{20,}(?:\.[0-9a-z]{2}\.[0-9a-z]{7,9})?",
        3.0,
        ["gl", "pat-", &alnum(20)]
    ),
    token!(
        "gitlab-deploy",
        "deploy token of GitLab",
        ["gldt-"],
        r"gldt-[A-Za-z0-9_\-]{20,}",
        3.0,
        ["gl", "dt-", &alnum(20)]
    ),
    token!(
        "gitlab-runner",
        "runner token of GitLab",
        ["glrt-", "gr1348941", "glrtr-"],
        r"(?:glrtr?-(?:t\d_)?|GR1348941)[A-Za-z0-9_\-]{20,}",
        3.0,
        ["gl", "rt-", &alnum(20)]
    ),
    token!(
        "gitlab-ci-job",
        "CI job token of GitLab",
        ["glcbt-"],
        r"glcbt-(?:[0-9a-zA-Z]{1,5}_)?[A-Za-z0-9_\-]{20,}",
        3.0,
        ["gl", "cbt-", "64_", &alnum(20)]
    ),
    token!(
        "gitlab-trigger",
        "pipeline trigger token of GitLab",
        ["glptt-"],
        r"glptt-[0-9a-f]{40}",
        3.0,
        ["gl", "ptt-", &hex(40)]
    ),
    token!(
        "gitlab-feed",
        "feed token of GitLab",
        ["glft-"],
        r"glft-[A-Za-z0-9_\-]{20,}",
        3.0,
        ["gl", "ft-", &alnum(20)]
    ),
    token!(
        "gitlab-scim",
        "SCIM token of GitLab",
        ["glsoat-"],
        r"glsoat-[A-Za-z0-9_\-]{20,}",
        3.0,
        ["gl", "soat-", &alnum(20)]
    ),
    token!(
        "gitlab-oauth",
        "OAuth secret of GitLab",
        ["gloas-"],
        r"gloas-[A-Za-z0-9_\-]{40,}",
        3.0,
        ["gl", "oas-", &alnum(64)]
    ),
    token!(
        "gitlab-agent",
        "agent token of GitLab",
        ["glagent-"],
        r"glagent-[A-Za-z0-9_\-]{40,}",
        3.0,
        ["gl", "agent-", &alnum(50)]
    ),
    token!(
        "gitlab-incoming-mail",
        "incoming mail token of GitLab",
        ["glimt-"],
        r"glimt-[A-Za-z0-9_\-]{20,}",
        3.0,
        ["gl", "imt-", &alnum(25)]
    ),
    token!(
        "gitlab-feature-flag",
        "feature flag client token of GitLab",
        ["glffct-"],
        r"glffct-[A-Za-z0-9_\-]{20,}",
        3.0,
        ["gl", "ffct-", &alnum(20)]
    ),
    named!(
        "gitlab-session",
        "session cookie of GitLab",
        ["_gitlab_session"],
        r"_gitlab_session",
        r"[0-9a-z]{32}\b",
        3.0,
        "_gitlab_session",
        &hex(32)
    ),
    token!(
        "bitbucket-app",
        "token of Bitbucket",
        ["atbb", "atctt3"],
        r"(?:ATBB[A-Za-z0-9]{28,}|ATCTT3[A-Za-z0-9_\-=]{60,})",
        3.0,
        ["AT", "BB", &alnum(32)]
    ),
    named!(
        "bitbucket-secret",
        "client secret of Bitbucket",
        ["bitbucket"],
        r"bitbucket",
        r"[a-z0-9=_\-]{32,64}\b",
        3.0,
        "BITBUCKET_CLIENT_SECRET",
        &alnum(32)
    ),
    named!(
        "gitea-token",
        "access token of Gitea or Forgejo",
        ["gitea", "forgejo", "codeberg"],
        r"gitea|forgejo|codeberg",
        r"[0-9a-f]{40}\b",
        3.0,
        "GITEA_TOKEN",
        &hex(40)
    ),
    token!(
        "azure-devops-pat",
        "personal access token of Azure DevOps",
        ["azdo"],
        r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}",
        3.0,
        [&alnum(76), "AZ", "DO", &alnum(4)]
    ),
    named!(
        "circleci-token",
        "token of CircleCI",
        ["circle"],
        r"circle(?:ci)?[_.\-]?(?:api)?[_.\-]?token",
        r"[0-9a-f]{40}\b",
        3.0,
        "CIRCLE_TOKEN",
        &hex(40)
    ),
    token!(
        "circleci-pat",
        "personal token of CircleCI",
        ["ccipat_", "ccipprj_"],
        r"CCIP(?:AT|PRJ)_[A-Za-z0-9]{22}_[0-9a-f]{40}",
        3.0,
        ["CCI", "PAT_", &alnum(22), "_", &hex(40)]
    ),
    named!(
        "travis-token",
        "token of Travis CI",
        ["travis"],
        r"travis",
        r"[A-Za-z0-9_\-]{20,22}\b",
        3.0,
        "TRAVIS_TOKEN",
        &alnum(22)
    ),
    named!(
        "drone-token",
        "token of Drone",
        ["drone"],
        r"drone[_.\-]?(?:ci)?[_.\-]?(?:token|secret)",
        r"[A-Za-z0-9]{32}\b",
        3.0,
        "DRONE_TOKEN",
        &alnum(32)
    ),
    named!(
        "codecov-token",
        "upload token of Codecov",
        ["codecov"],
        r"codecov",
        r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        3.0,
        "CODECOV_TOKEN",
        &uuid()
    ),
    token!(
        "buildkite-token",
        "token of Buildkite",
        ["bkua_", "bkct_"],
        r"bk(?:ua|ct)_[0-9a-zA-Z]{40,}",
        3.0,
        ["bk", "ua_", &hex(40)]
    ),
    named!(
        "jenkins-token",
        "API token of Jenkins",
        ["jenkins"],
        r"jenkins",
        r"(?:11)?[0-9a-f]{32}\b",
        3.0,
        "JENKINS_API_TOKEN",
        &format!("11{}", hex(32))
    ),
    token!("npm-token", "access token of npm", ["npm_"], r"npm_[A-Za-z0-9]{36,}", 3.0, ["np", "m_", &alnum(36)]),
    rule!(
        "npmrc-auth",
        "token in an .npmrc",
        ["_authtoken", "_auth", "_password"],
        r#"(?i-u)\b_(?:authToken|auth|password)\s{0,4}=\s{0,4}["']?(?<secret>[A-Za-z0-9+/=_.\-]{12,})"#,
        2.5,
        Certain,
        super::value::plausible_setting,
        within("//registry.internal/:_authToken=", &alnum(36), "\n")
    ),
    token!(
        "pypi-token",
        "upload token of PyPI",
        ["pypi-age"],
        r"pypi-AgE[A-Za-z0-9_\-]{60,}",
        3.0,
        ["py", "pi-AgEIcHlwaS5vcmcC", &alnum(90)]
    ),
    token!(
        "gem-push-key",
        "API key of RubyGems",
        ["rubygems_"],
        r"rubygems_[0-9a-f]{48}",
        3.0,
        ["ruby", "gems_", &hex(48)]
    ),
    token!("crates-token", "token of crates.io", ["cio"], r"\bcio[A-Za-z0-9]{32}\b", 3.0, ["ci", "o", &alnum(32)]),
    token!("nuget-key", "API key of NuGet", ["oy2"], r"\boy2[a-z0-9]{43}\b", 3.0, ["oy", "2", &lower(43)]),
    token!(
        "docker-pat",
        "access token of Docker Hub",
        ["dckr_pat_", "dckr_oat_"],
        r"dckr_[po]at_[A-Za-z0-9_\-]{27,}",
        3.0,
        ["dckr", "_pat_", &alnum(27)]
    ),
    rule!(
        "docker-config-auth",
        "credentials in Docker's config.json",
        ["auth\"", "auth\\"],
        r#"(?i-u)\\{0,6}"auth\\{0,6}"\s{0,4}:\s{0,4}\\{0,6}"(?<secret>[A-Za-z0-9+/]{8,}={0,2})"#,
        2.5,
        Certain,
        super::value::is_basic,
        within(
            r#"{"auths":{"r.internal":{"auth":""#,
            &super::example::standard(&format!("svc:{}", alnum(15))),
            "\"}}}"
        )
    ),
    token!(
        "jfrog-key",
        "API key of JFrog Artifactory",
        ["akcp"],
        r"\bAKCp[A-Za-z0-9]{69}\b",
        3.0,
        ["AK", "Cp", &alnum(69)]
    ),
    token!(
        "jfrog-reference",
        "reference token of JFrog",
        ["cmvmd"],
        r"\bcmVmd[A-Za-z0-9]{59}\b",
        3.0,
        ["cmVm", "d", &alnum(59)]
    ),
    named!(
        "jfrog-named",
        "key of JFrog",
        ["jfrog", "artifactory", "bintray", "xray"],
        r"jfrog|artifactory|bintray|xray",
        r"[A-Za-z0-9]{64,73}\b",
        3.0,
        "ARTIFACTORY_API_KEY",
        &alnum(73)
    ),
    token!(
        "clojars-token",
        "deploy token of Clojars",
        ["clojars_"],
        r"(?i-u:CLOJARS_)[a-z0-9]{60}",
        3.0,
        ["CLO", "JARS_", &lower(60)]
    ),
    named!(
        "maven-password",
        "password for a Maven repository",
        ["sonatype", "ossrh", "maven"],
        r"(?:sonatype|ossrh|maven)[a-z0-9_.\-]{0,16}(?:password|token)",
        r"[A-Za-z0-9+/=]{20,64}",
        3.0,
        "OSSRH_PASSWORD",
        &alnum(44)
    ),
    named!(
        "packagist-token",
        "token of Packagist",
        ["packagist"],
        r"packagist",
        r"(?:packagist_[a-z]{3}_)?[0-9a-f]{40,68}\b",
        3.0,
        "PACKAGIST_TOKEN",
        &hex(64)
    ),
    named!(
        "hex-pm-key",
        "key of Hex",
        ["hex_api_key"],
        r"hex[_.\-]?api[_.\-]?key",
        r"[0-9a-f]{32}\b",
        3.0,
        "HEX_API_KEY",
        &hex(32)
    ),
    token!(
        "sourcegraph-token",
        "access token of Sourcegraph",
        ["sgp_", "slk_"],
        r"\b(?:sgp_(?:[0-9a-fA-F]{16}_|local_)?[0-9a-f]{40}|slk_[0-9a-f]{64})\b",
        3.0,
        ["sg", "p_", &hex(40)]
    ),
    named!(
        "sonar-named",
        "token of SonarQube",
        ["sonar"],
        r"sonar",
        r"(?:sq[apu]_)?[0-9a-f]{40}\b",
        3.0,
        "SONAR_TOKEN",
        &hex(40)
    ),
    token!(
        "sonar-token",
        "token of SonarQube",
        ["squ_", "sqp_", "sqa_"],
        r"\bsq[apu]_[0-9a-f]{40}\b",
        3.0,
        ["sq", "u_", &hex(40)]
    ),
    named!(
        "snyk-token",
        "token of Snyk",
        ["snyk"],
        r"snyk",
        r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        3.0,
        "SNYK_TOKEN",
        &uuid()
    ),
    token!("readme-key", "API key of ReadMe", ["rdme_"], r"\brdme_[a-z0-9]{70}\b", 3.0, ["rd", "me_", &lower(70)]),
    named!(
        "chromatic-token",
        "project token of Chromatic",
        ["chromatic"],
        r"chromatic",
        r"(?:chpt_)?[0-9a-f]{12,40}\b",
        3.0,
        "CHROMATIC_PROJECT_TOKEN",
        &hex(15)
    ),
    rule!(
        "gerrit-cookie",
        "cookie of Gerrit or Google Source",
        ["=1//"],
        r"(?-u)(?<secret>\bgit-[A-Za-z0-9.]{1,80}=1//[A-Za-z0-9_\-]{40,})",
        3.0,
        Certain,
        plausible,
        alone(&["git-", "dana.internal=1", "//", &alnum(60)])
    ),
    rule!(
        "phabricator-token",
        "Conduit token of Phabricator",
        ["conduit", "phabricator"],
        r"(?-u)(?<secret>\b(?:cli|api)-[a-z0-9]{28}\b)",
        3.2,
        Certain,
        super::value::plausible_alnum,
        within("PHABRICATOR_TOKEN=", &["ap", "i-", &lower(28)].concat(), "\n")
    ),
    named!(
        "hackage-token",
        "token of Hackage",
        ["hackage"],
        r"hackage",
        r"[A-Za-z0-9+/=]{40,64}",
        3.0,
        "HACKAGE_TOKEN",
        &base64(44)
    ),
    rule!(
        "deploy-key",
        "numbered deploy key of a forge",
        ["deploy_key", "deploy-key"],
        r#"(?i-u)deploy[_\-](?:key|token)["']?\s{0,4}[:=]\s{0,4}["']?(?<secret>\d{4,12}-[A-Za-z0-9]{24,})"#,
        3.0,
        Likely,
        plausible,
        within("deploy_key: ", &format!("{}-{}", digits(6), alnum(30)), "\n")
    ),
];
