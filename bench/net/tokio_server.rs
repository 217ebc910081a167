// The servers on tokio's current-thread runtime, a task a connection: tokio_server echo|stream|idle|lines. Prints its
// port, then serves until it is killed. The listener is accepted from in a task of its own, because the future that
// block_on is given is polled less often.

use std::io::Result;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

async fn echo(mut stream: TcpStream, size: usize) -> Result<()> {
    let mut buffer = vec![0; size];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
    }
}

async fn lines(mut stream: TcpStream) -> Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        writer.write_all(&line).await?;
        line.clear();
    }
    Ok(())
}

async fn serve(listener: TcpListener, size: usize) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        if size > 0 {
            tokio::spawn(echo(stream, size));
        } else {
            tokio::spawn(lines(stream));
        }
    }
}

fn main() {
    let size = match std::env::args().nth(1).unwrap().as_str() {
        "echo" => 16 * 1024,
        "stream" => 64 * 1024,
        "idle" => 1024,
        _ => 0,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(4096).unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        tokio::spawn(serve(listener, size)).await.unwrap();
    });
}
