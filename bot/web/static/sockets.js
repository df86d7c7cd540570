// A socket that comes back, and goes on from the last number it saw.
export function openSocket(path, { onMessage, onState = () => {}, query = () => ({}) }) {
  let last = { epoch: "", seq: 0 }, pause = 500, socket, stopped = false;
  function connect() {
    const parameters = new URLSearchParams(query());
    if (last.epoch) { parameters.set("epoch", last.epoch); parameters.set("after", last.seq); }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}${path}?${parameters}`);
    socket.onopen = () => { pause = 500; onState("연결됨"); };
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.epoch) last.epoch = message.epoch;
      if (message.seq !== undefined && message.type !== "hello") last.seq = message.seq;
      onMessage(message);
    };
    socket.onclose = (event) => {
      if (stopped) return;
      if (event.code === 4001) { onState("로그인 필요"); return; }
      onState("다시 연결하는 중");
      setTimeout(connect, pause + Math.random() * 300);
      pause = Math.min(pause * 2, 15000);
    };
  }
  connect();
  return { send: (message) => { if (socket.readyState === 1) socket.send(JSON.stringify(message)); }, close: () => { stopped = true; socket.close(); } };
}
