mod peers;
fn main() -> anyhow::Result<()> {
    for peer in peers::all()? { println!("{} {}", peer.name, peer.version); }
    Ok(())
}
