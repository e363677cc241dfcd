/** For tests: `serve PROTOCOL ADDRESS PORT TEXT` or `ask PROTOCOL ADDRESS PORT [OWN-PORT]`, in whichever namespace it was started. */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";

const [does, protocol, address = "", port, text = ""] = process.argv.slice(2);

if (does === "serve") serve();
else ask();

function serve(): void {
  const ready = () => console.log("ready");
  if (protocol === "tcp") {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.end(`${text} ${socket.remoteAddress}`);
    });
    server.on("error", () => process.exit(1));
    server.listen(Number(port), address, ready);
    return;
  }
  const socket = createSocket("udp4");
  socket.on("message", (_, from) => socket.send(`${text} ${from.address}`, from.port, from.address));
  socket.on("error", () => process.exit(1));
  socket.bind(Number(port), address, ready);
}

function ask(): void {
  const end = (answer: string): never => {
    console.log(answer);
    process.exit(0);
  };
  // A dropped packet shows as silence only.
  setTimeout(() => end("nothing"), 1000);
  if (protocol === "tcp") {
    const socket = connect(Number(port), address);
    socket.on("data", (data) => end(data.toString()));
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    return;
  }
  const socket = createSocket("udp4");
  socket.on("message", (message) => end(message.toString()));
  socket.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  socket.bind(Number(text), () => socket.send("?", Number(port), address));
}
