// Follow an Orkesta session from a browser, whatever becomes of the connection.
//
//   const live = new OrkestaLive({
//     // Your own server asks Orkesta for these with its API key (POST /api/v1/ws/tickets):
//     // { ticket, websocket_path }. A ticket opens one socket, so each connection needs a new one.
//     getTicket: () => fetch("/my/ticket", { method: "POST" }).then((answer) => answer.json()),
//     onText: (messageId, text) => show(messageId, text),
//   });
//   live.start();
//   live.send("¿Tienen tubos de PVC?");
//
// It keeps one thing, the `cursor` of the last event, and comes back with it. The server then sends
// what was missed, each event once and in order, even in the middle of a message.

export class OrkestaLive {
  // 4400 to 4404 are about you, not about the line: the same connection would be refused again.
  static FINAL = new Set([4400, 4401, 4403, 4404]);

  constructor({ getTicket, origin = location.origin, cursor = "", onEvent, onText, onEnd }) {
    Object.assign(this, { getTicket, origin, cursor, onEvent, onText, onEnd });
    this.texts = new Map();
    this.unsent = [];
    this.failures = 0;
  }

  start() {
    this.stopped = false;
    this.connect();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  send(message, fields = {}) {
    this.say({ type: "chat.send", message, request_id: crypto.randomUUID(), ...fields });
  }

  say(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
    else this.unsent.push(frame);
  }

  async connect() {
    let issued;
    try {
      issued = await this.getTicket();
    } catch {
      return this.comeBack();
    }
    if (this.stopped) return;
    const query = this.cursor ? `?cursor=${encodeURIComponent(this.cursor)}` : "";
    const address = this.origin.replace(/^http/, "ws") + issued.websocket_path + query;
    this.socket = new WebSocket(address, ["orkesta.v1", `ticket.${issued.ticket}`]);
    this.socket.onopen = () => this.unsent.splice(0).forEach((frame) => this.say(frame));
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    this.socket.onclose = ({ code }) => {
      if (this.stopped) return;
      if (OrkestaLive.FINAL.has(code)) this.onEnd?.(code, this.error);
      else this.comeBack();
    };
  }

  // Twice as long after each failure, and never in step with other clients.
  comeBack() {
    this.failures += 1;
    const longest = Math.min(10_000, 100 * 2 ** this.failures);
    this.timer = setTimeout(() => this.connect(), Math.random() * longest);
  }

  take(event) {
    this.cursor = event.cursor;
    this.failures = 0;
    const { message_id: id, offset, text } = event.data;
    if (event.type === "ping") this.say({ type: "pong", id: event.data.id });
    else if (event.type === "error") this.error = event.data;
    else if (event.type === "message.reset") this.setText(id, []);
    else if (event.type === "message.delta") {
      // `offset` counts characters (code points); the indices of a JavaScript string do not.
      this.setText(id, [...(this.texts.get(id) ?? []).slice(0, offset), ...text]);
    }
    this.onEvent?.(event);
  }

  setText(id, characters) {
    this.texts.set(id, characters);
    this.onText?.(id, characters.join(""));
  }
}
