//! When a platform is asked again: rules of (what came, how often it was asked, for how long), as the vendors document
//! them or as their own libraries do it.

use std::time::Duration;

/// Why an attempt gave nothing, and might not the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An answer with this status, and the pause that it asks for (RFC 9110 §10.2.3), in seconds.
    Status(u16, Option<u64>),
    /// The request was sent, and no whole answer came back.
    Lost,
    /// Nothing that time changes.
    Final,
}

/// How often, and how fast.
#[derive(Debug)]
pub struct Rule {
    /// Statuses that pass by themselves.
    passing: fn(u16) -> bool,
    /// At most so many, the first included.
    attempts: u32,
    /// After the first attempt; it doubles with each further one.
    pause: Duration,
    /// A service that is being updated says 410 for about a minute: asked every ten seconds for so long.
    gone_for: Duration,
}

/// An attempt that would begin later than this is not made, nor one later than two and a half times what one request may
/// take: others wait for the same token, for three times that.
const PATIENCE: Duration = Duration::from_secs(40);

/// Between two attempts while a service is being updated.
const GONE_PAUSE: Duration = Duration::from_secs(10);

impl Rule {
    /// Azure's metadata service: "retry guidance" of "how to use managed identities on a VM": attempts after about 0, 2, 6,
    /// 14 and 30 seconds. 404 and 410 are one that is being updated, and 410 is over after 70 seconds.
    pub const IMDS: Self = Self {
        passing: |status| matches!(status, 404 | 429 | 500..),
        attempts: 5,
        pause: Duration::from_secs(2),
        gone_for: Duration::from_secs(75),
    };
    /// The token services of App Service and Arc, on the machine itself: much as MSAL does it, which asks once more.
    pub const LOCAL: Self = Self { pause: Duration::from_secs(1), ..Self::of(3) };
    /// Entra ID: as the Azure SDKs do it.
    pub const ENTRA: Self = Self { pause: Duration::from_millis(800), ..Self::of(4) };
    /// Google's metadata server and its token and IAM services: as google-auth does it, and any 5xx as the library for Go.
    pub const GOOGLE: Self =
        Self { passing: |status| matches!(status, 408 | 429 | 500..), pause: Duration::from_secs(1), ..Self::of(5) };
    /// A cluster's API server, whose 429 is "too many at once" (API Priority and Fairness).
    pub const KUBERNETES: Self = Self { passing: |status| matches!(status, 429 | 500..), ..Self::of(3) };
    /// The token service of GitHub Actions: fewer than the ten of the toolkit, and as long.
    pub const GITHUB: Self = Self { passing: |status| matches!(status, 429 | 502..=504), ..Self::of(5) };

    const fn of(attempts: u32) -> Self {
        Self {
            passing: |status| matches!(status, 408 | 429 | 500 | 502..=504),
            attempts,
            pause: Duration::from_millis(500),
            gone_for: Duration::ZERO,
        }
    }

    /// How long to wait before the next attempt; `None` gives up. `attempt` is the number of those that were made,
    /// `elapsed` the time since the first began, `timeout` what one may take, `jitter` anything from 0 to 1: a crowd that
    /// was refused together must not come back together.
    pub fn wait(
        &self,
        failure: Failure,
        attempt: u32,
        elapsed: Duration,
        timeout: Duration,
        jitter: f64,
    ) -> Option<Duration> {
        let (pause, patience, asked_for) = match failure {
            Failure::Status(410, _) if self.gone_for > Duration::ZERO => (GONE_PAUSE, self.gone_for, None),
            Failure::Status(status, asked_for) if (self.passing)(status) => {
                (self.doubled(attempt)?, PATIENCE, asked_for)
            }
            Failure::Status(..) | Failure::Final => return None,
            Failure::Lost => (self.doubled(attempt)?, PATIENCE, None),
        };
        let pause = pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0));
        let pause = asked_for.map_or(pause, |seconds| pause.max(Duration::from_secs(seconds)));
        (elapsed + pause <= patience.min(timeout * 5 / 2)).then_some(pause)
    }

    /// Whether an answer with this status speaks of the moment, and not of the request.
    pub fn passes(&self, status: u16) -> bool {
        (self.passing)(status) || (status == 410 && self.gone_for > Duration::ZERO)
    }

    fn doubled(&self, attempt: u32) -> Option<Duration> {
        (attempt < self.attempts).then(|| self.pause * 2_u32.saturating_pow(attempt.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: f64 = 0.5;
    const TIMEOUT: Duration = Duration::from_secs(30);

    /// The pauses that a failure which never ends leads to, in milliseconds. Each attempt takes `each`.
    fn pauses(rule: &Rule, failure: Failure, each: Duration) -> Vec<u128> {
        let (mut elapsed, mut pauses) = (Duration::ZERO, Vec::new());
        for attempt in 1.. {
            elapsed += each;
            let Some(pause) = rule.wait(failure, attempt, elapsed, TIMEOUT, HALF) else { break };
            pauses.push(pause.as_millis());
            elapsed += pause;
        }
        pauses
    }

    #[test]
    fn each_vendor_is_asked_as_it_wants_to_be() {
        let status = |status| Failure::Status(status, None);
        let backoff = [2000, 4000, 8000, 16_000];
        let rows: [(&Rule, Failure, &[u128]); 23] = [
            (&Rule::IMDS, status(404), &backoff),
            (&Rule::IMDS, status(429), &backoff),
            (&Rule::IMDS, status(503), &backoff),
            (&Rule::IMDS, Failure::Lost, &backoff),
            (&Rule::IMDS, status(410), &[10_000; 7]),
            (&Rule::IMDS, status(400), &[]),
            (&Rule::IMDS, status(403), &[]),
            (&Rule::LOCAL, status(500), &[1000, 2000]),
            (&Rule::LOCAL, status(404), &[]),
            (&Rule::LOCAL, status(410), &[]),
            (&Rule::ENTRA, status(429), &[800, 1600, 3200]),
            (&Rule::ENTRA, status(401), &[]),
            (&Rule::GOOGLE, status(503), &[1000, 2000, 4000, 8000]),
            (&Rule::GOOGLE, status(408), &[1000, 2000, 4000, 8000]),
            (&Rule::GOOGLE, status(404), &[]),
            (&Rule::GOOGLE, status(501), &[1000, 2000, 4000, 8000]),
            (&Rule::KUBERNETES, status(429), &[500, 1000]),
            (&Rule::KUBERNETES, status(403), &[]),
            (&Rule::GITHUB, status(502), &[500, 1000, 2000, 4000]),
            (&Rule::GITHUB, status(500), &[]),
            (&Rule::GITHUB, status(403), &[]),
            (&Rule::GITHUB, Failure::Final, &[]),
            (&Rule::GITHUB, Failure::Lost, &[500, 1000, 2000, 4000]),
        ];
        for (rule, failure, expected) in rows {
            assert_eq!(pauses(rule, failure, Duration::ZERO), expected, "{failure:?} {rule:?}");
        }
    }

    #[test]
    fn time_that_is_up_ends_it_however_few_the_attempts() {
        let (slow, lost) = (Duration::from_secs(30), Failure::Lost);
        assert_eq!(pauses(&Rule::IMDS, lost, slow), [2000]);
        assert_eq!(pauses(&Rule::IMDS, Failure::Status(410, None), slow), [10_000]);
        let impatient = |seconds| Rule::IMDS.wait(lost, 1, Duration::from_secs(seconds), Duration::from_secs(1), HALF);
        assert_eq!((impatient(0), impatient(1)), (Some(Duration::from_secs(2)), None));
        assert_eq!(Rule::IMDS.wait(lost, 1, Duration::from_secs(41), TIMEOUT, HALF), None);
    }

    #[test]
    fn a_longer_pause_is_believed_and_one_that_is_too_long_ends_it() {
        let asked = |seconds| Rule::GOOGLE.wait(Failure::Status(429, Some(seconds)), 1, Duration::ZERO, TIMEOUT, HALF);
        assert_eq!(asked(0), Some(Duration::from_secs(1)));
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(41), None);
    }

    proptest::proptest! {
        #[test]
        fn jitter_is_a_fifth_at_most_and_nobody_is_asked_for_ever(
            status in 100_u16..600, attempt in 1_u32..100, elapsed in 0_u64..200, jitter in -1.0..2.0_f64,
        ) {
            for rule in [&Rule::IMDS, &Rule::LOCAL, &Rule::ENTRA, &Rule::GOOGLE, &Rule::KUBERNETES, &Rule::GITHUB] {
                let failure = Failure::Status(status, None);
                let wait = |jitter| rule.wait(failure, attempt, Duration::from_secs(elapsed), TIMEOUT, jitter);
                let Some(pause) = wait(jitter) else { continue };
                proptest::prop_assert!(pause <= Duration::from_millis(19_200) && pause >= Duration::from_millis(400));
                proptest::prop_assert!(elapsed < 75 && (attempt < 5 || status == 410));
                let middle = rule.wait(failure, attempt, Duration::ZERO, TIMEOUT, 0.5).unwrap();
                proptest::prop_assert!(pause >= middle.mul_f64(0.79) && pause <= middle.mul_f64(1.21));
            }
        }
    }
}
