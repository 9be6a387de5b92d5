// The system tab: asks the worker how it is while somebody looks.
(() => {
  const EVERY_MS = 2000;
  const { text, address } = window.seacod;
  const at = (id) => document.getElementById(id);
  const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

  function facts(s) {
    const hours = Math.floor(s.uptime_seconds / 3600);
    const minutes = Math.floor(s.uptime_seconds / 60) % 60;
    return [
      ["model", `${s.model} · ${s.device}`],
      ["system_hardware", s.hardware],
      ["system_queue", `${s.queue_depth} / ${s.limits.queue_length}`],
      ["system_in_flight", s.in_flight],
      ["system_speed", text("system_speed_value", { value: s.speed.toFixed(0) })],
      ["system_answered", s.answered],
      ["system_failed", s.failed],
      ["system_cpu", `${s.cpu_percent.toFixed(0)} %`],
      ["system_memory", `${gib(s.memory_used_bytes)} / ${gib(s.memory_bytes)}`],
      ["system_worker_memory", gib(s.worker_memory_bytes)],
      ["system_gpu_memory", s.gpu_reserved_bytes ? gib(s.gpu_reserved_bytes) : "—"],
      ["system_disk", s.disk_free_bytes === null ? "—" : gib(s.disk_free_bytes)],
      ["system_uptime", `${hours} h ${minutes} min`],
      ["system_versions", Object.entries(s.versions).map((pair) => pair.join(" ")).join(", ")],
    ];
  }

  async function refresh() {
    const list = at("sc-system");
    if (!list) return;
    try {
      const answer = await fetch(address("/system"));
      if (!answer.ok) throw new Error(answer.status);
      const shown = facts(await answer.json()).map(([key, value]) => {
        const box = document.createElement("div");
        const name = document.createElement("dt");
        const figure = document.createElement("dd");
        name.textContent = text(key);
        figure.textContent = value;
        box.append(name, figure);
        return box;
      });
      list.replaceChildren(...shown);
      at("sc-system-message").textContent = "";
    } catch {
      at("sc-system-message").textContent = text("reconnecting");
    }
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("#sc-system-refresh")) refresh();
  });
  setInterval(() => {
    const list = at("sc-system");
    if (list && list.offsetParent !== null && !document.hidden) refresh();
  }, EVERY_MS);
})();
