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

/// An attempt that would begin later than this is not made. It has room for all pauses of every rule here, jitter included;
/// what cuts a rule short is answers that take their time, and pauses that are asked for.
const PATIENCE: Duration = Duration::from_secs(40);

/// Between two attempts while a service is being updated.
const GONE_PAUSE: Duration = Duration::from_secs(10);

/// What one request may take unless somebody says otherwise: the default of `http_timeout`. Whoever allows less for one
/// wants to know sooner, so all attempts together get as much less; more for one is not more for all.
const USUAL_TIMEOUT: Duration = Duration::from_secs(12);

impl Rule {
    /// Azure's metadata service: "retry guidance" of "how to use managed identities on a VM": attempts after about 0, 2, 6,
    /// 14 and 30 seconds. 404 and 410 are one that is being updated, and 410 is over after 70 seconds: the last pause may
    /// begin just before that, and jitter makes it 12.
    pub const IMDS: Self = Self {
        passing: |status| matches!(status, 404 | 429 | 500..),
        attempts: 5,
        pause: Duration::from_secs(2),
        gone_for: Duration::from_secs(85),
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
        (elapsed + pause <= shortened(patience, timeout)).then_some(pause)
    }

    /// What all attempts together may take, to the end of the last one's answer. `timeout` is what one may take.
    pub fn longest(&self, timeout: Duration) -> Duration {
        shortened(PATIENCE.max(self.gone_for), timeout) + timeout
    }

    /// Whether an answer with this status speaks of the moment, and not of the request.
    pub fn passes(&self, status: u16) -> bool {
        (self.passing)(status) || (status == 410 && self.gone_for > Duration::ZERO)
    }

    fn doubled(&self, attempt: u32) -> Option<Duration> {
        (attempt < self.attempts).then(|| self.pause * 2_u32.saturating_pow(attempt.saturating_sub(1)))
    }
}

/// `patience` of somebody who allows one request so much.
fn shortened(patience: Duration, timeout: Duration) -> Duration {
    if timeout < USUAL_TIMEOUT { patience.mul_f64(timeout.div_duration_f64(USUAL_TIMEOUT)) } else { patience }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Request, of_flags};

    const HALF: f64 = 0.5;
    const RULES: [&Rule; 6] =
        [&Rule::IMDS, &Rule::LOCAL, &Rule::ENTRA, &Rule::GOOGLE, &Rule::KUBERNETES, &Rule::GITHUB];

    /// The pauses that a failure which never ends leads to, in milliseconds. Each attempt takes `each`.
    fn pauses(rule: &Rule, failure: Failure, each: Duration, jitter: f64) -> Vec<u128> {
        let (mut elapsed, mut pauses) = (Duration::ZERO, Vec::new());
        for attempt in 1.. {
            elapsed += each;
            let Some(pause) = rule.wait(failure, attempt, elapsed, USUAL_TIMEOUT, jitter) else { break };
            pauses.push(pause.as_millis());
            elapsed += pause;
        }
        pauses
    }

    #[test]
    fn what_is_usual_is_the_default() {
        assert_eq!(of_flags(&Request::default()).http_timeout, USUAL_TIMEOUT);
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
            (&Rule::IMDS, status(410), &[10_000; 8]),
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
            assert_eq!(pauses(rule, failure, Duration::ZERO, HALF), expected, "{failure:?} {rule:?}");
            // No jitter and no usual answer costs anybody an attempt that the vendor documents.
            if failure != status(410) {
                let slow = pauses(rule, failure, Duration::from_millis(900), 1.0);
                assert_eq!(slow.len(), expected.len(), "{failure:?} {rule:?}");
            }
        }
    }

    #[test]
    fn time_that_is_up_ends_it_however_few_the_attempts() {
        let (slow, lost) = (USUAL_TIMEOUT, Failure::Lost);
        assert_eq!(pauses(&Rule::IMDS, lost, slow, HALF), [2000, 4000]);
        assert_eq!(pauses(&Rule::IMDS, Failure::Status(410, None), slow, HALF), [10_000; 3]);
        let wait = |seconds, timeout| {
            let (elapsed, timeout) = (Duration::from_secs(seconds), Duration::from_secs(timeout));
            Rule::IMDS.wait(lost, 1, elapsed, timeout, HALF).is_some()
        };
        // Forty seconds for all, a twelfth of that where one request has a twelfth, and no more where it has more.
        for (timeout, last) in [(12, 38), (1, 1), (6, 18), (120, 38)] {
            assert_eq!((wait(last, timeout), wait(last + 1, timeout)), (true, false), "{timeout}");
        }
    }

    #[test]
    fn a_longer_pause_is_believed_and_one_that_is_too_long_ends_it() {
        let asked =
            |seconds| Rule::GOOGLE.wait(Failure::Status(429, Some(seconds)), 1, Duration::ZERO, USUAL_TIMEOUT, HALF);
        assert_eq!(asked(0), Some(Duration::from_secs(1)));
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(41), None);
    }

    proptest::proptest! {
        #[test]
        fn jitter_is_a_fifth_at_most_and_nobody_is_asked_for_ever(
            status in 100_u16..600, attempt in 1_u32..100, elapsed in 0_u64..200, jitter in -1.0..2.0_f64,
        ) {
            for rule in RULES {
                let failure = Failure::Status(status, None);
                let wait = |jitter| rule.wait(failure, attempt, Duration::from_secs(elapsed), USUAL_TIMEOUT, jitter);
                let Some(pause) = wait(jitter) else { continue };
                proptest::prop_assert!(pause <= Duration::from_millis(19_200) && pause >= Duration::from_millis(400));
                proptest::prop_assert!(elapsed < 85 && (attempt < 5 || status == 410));
                let middle = rule.wait(failure, attempt, Duration::ZERO, USUAL_TIMEOUT, 0.5).unwrap();
                proptest::prop_assert!(pause >= middle.mul_f64(0.79) && pause <= middle.mul_f64(1.21));
            }
        }

        /// 410 is over after 70 seconds, so one who is still told so then has been asked too early.
        #[test]
        fn a_service_that_is_being_updated_is_asked_once_more_when_that_is_over(
            jitters in proptest::collection::vec(0.0..=1.0_f64, 20), each in 0_u64..400,
        ) {
            let mut begun = Duration::ZERO;
            for (attempt, jitter) in (1..).zip(jitters) {
                let elapsed = begun + Duration::from_millis(each);
                let gone = Failure::Status(410, None);
                let Some(pause) = Rule::IMDS.wait(gone, attempt, elapsed, USUAL_TIMEOUT, jitter) else { break };
                begun = elapsed + pause;
            }
            proptest::prop_assert!(begun >= Duration::from_secs(70), "{begun:?}");
        }

        #[test]
        fn no_course_of_events_takes_longer_than_the_longest(
            seconds in 1_u64..=120,
            course in proptest::collection::vec((0_usize..6, 0.0..=1.0_f64, 0.0..=1.0_f64), 100),
        ) {
            let timeout = Duration::from_secs(seconds);
            let failures = [410, 404, 429, 503].map(|status| Failure::Status(status, None));
            let failures = [&failures[..], &[Failure::Lost, Failure::Status(503, Some(seconds))]].concat();
            for rule in RULES {
                let mut elapsed = Duration::ZERO;
                for (attempt, (failure, took, jitter)) in (1..).zip(&course) {
                    elapsed += timeout.mul_f64(*took);
                    let Some(pause) = rule.wait(failures[*failure], attempt, elapsed, timeout, *jitter) else { break };
                    elapsed += pause;
                    proptest::prop_assert!(attempt < 100);
                }
                proptest::prop_assert!(elapsed <= rule.longest(timeout), "{elapsed:?} {rule:?}");
            }
        }
    }
}
