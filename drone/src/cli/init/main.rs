//! A skep worker in Rust, and a drone in the same process: greets.
//! Try it: cargo run, and in another shell: skep call hello '{"name": "Ada"}'

use std::error::Error;

use serde::Deserialize;
use skep_drone::{Context, Drone, HandlerError, Settings, Stopper, backend::Backends};

#[derive(Deserialize)]
struct Hello {
    name: String,
}

async fn hello(hello: Hello, _: Context) -> Result<serde_json::Value, HandlerError> {
    Ok(serde_json::json!({ "greeting": format!("hello {}", hello.name) }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue = Backends::builtin().open("sqlite:./skep.db").await?;
    let drone = Drone::builder()
        .queue("main", Default::default(), queue)
        .handler("hello".parse()?, 4, Settings::default(), hello)
        .build()?;
    let stopper = Stopper::default();
    let run = drone.run(stopper.clone());
    tokio::pin!(run);
    loop {
        tokio::select! {
            report = &mut run => return report.map(drop).map_err(Into::into),
            // Once to drain, twice to stop at once.
            _ = tokio::signal::ctrl_c() => stopper.stop(),
        }
    }
}
