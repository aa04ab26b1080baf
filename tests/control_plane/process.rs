//! One child process: started with its log in a file, watched for an early end, and never left behind.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many bytes of a log are shown on failure.
const LOG_TAIL_BYTES: usize = 6_000;
/// How long a process may take to end after SIGTERM before it is killed.
const TERMINATION_DEADLINE: Duration = Duration::from_secs(15);
/// How often a condition is looked at while waiting for it.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// Keeps the program alive exactly as long as the test: it runs beside a reader of stdin, whose end of file (the test is gone, even
/// by SIGKILL) kills it. SIGTERM goes through to the program, and its exit code comes back.
const GUARD: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
child=$!
{ read -r _ <&3; kill -9 "$child"; } >/dev/null 2>&1 &
watch=$!
exec 3<&-
trap 'kill -TERM "$child" 2>/dev/null' TERM
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
kill -9 "$watch" 2>/dev/null
exit "$code"
"#;

/// How a process ended.
pub(crate) type Exit = ExitStatus;

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `program` with both its outputs in `FOLDER/NAME.log`.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        environment: &[(&str, OsString)],
        folder: &Path,
    ) -> io::Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let child = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self { name, log, child })
    }

    /// The program's file name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<Exit> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends SIGTERM and waits for the end; kills it after 15 seconds.
    pub(crate) async fn terminate(&mut self) -> io::Result<Exit> {
        let pid = self.child.id().to_string();
        Command::new("/bin/sh").args(["-c", r#"kill -TERM "$1""#, "kill", &pid]).status()?;
        let end = tokio::time::Instant::now() + TERMINATION_DEADLINE;
        while tokio::time::Instant::now() < end {
            if let Some(exit) = self.ended() {
                return Ok(exit);
            }
            tokio::time::sleep(POLL).await;
        }
        self.kill()
    }

    /// Kills it (SIGKILL) and waits for the end.
    pub(crate) fn kill(&mut self) -> io::Result<Exit> {
        drop(self.child.stdin.take());
        self.child.wait()
    }

    /// The end of its log.
    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let start = log.len().saturating_sub(LOG_TAIL_BYTES);
        format!("--- the end of {}'s log ---\n{}", self.name, String::from_utf8_lossy(&log[start..]))
    }

    /// Its whole log.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        // The guard kills the program as soon as its stdin closes; there is nothing to do about an error here.
        let _ = self.kill();
    }
}

/// A port on loopback that was free a moment ago, and that this process has not been given before: tests run side by side, and the
/// system hands a released port out again.
pub(crate) fn free_port() -> io::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
}
