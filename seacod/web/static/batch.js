// The batch tab: sends the form to the API, then shows the job until it is over. Everything that
// came from outside goes into the page as text, never as HTML.
(() => {
  const POLL_MS = 1000;
  const { text, address, reasonOf } = window.seacod;
  let job = new URLSearchParams(location.search).get("job");
  let timer = null;
  const at = (id) => document.getElementById(id);

  function say(message, isProblem = false) {
    const box = at("sc-batch-message");
    box.className = isProblem && message ? "sc-problem" : "";
    box.textContent = message;
  }

  // fetch() cannot tell how much of an upload has gone; XMLHttpRequest can.
  function send(form) {
    const button = form.querySelector("button");
    const request = new XMLHttpRequest();
    request.open("POST", address("/batch_transcribe"));
    request.responseType = "json";
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) {
        const percent = Math.floor((100 * event.loaded) / event.total);
        say(text("batch_uploading", { percent }));
      }
    };
    request.onloadend = () => {
      button.disabled = false;
      if (request.status === 202) {
        say("");
        form.reset();
        follow(request.response.job);
      } else {
        say(reasonOf(request.response) || text("batch_not_sent"), true);
      }
    };
    button.disabled = true;
    say(text("batch_uploading", { percent: 0 }));
    request.send(new FormData(form));
  }

  function follow(id) {
    job = id;
    const here = new URL(location.href);
    here.searchParams.set("job", id);
    history.replaceState(null, "", here);
    look();
  }

  async function look() {
    clearTimeout(timer);
    let again = true;
    try {
      const answer = await fetch(address(`/jobs/${encodeURIComponent(job)}`));
      const body = await answer.json();
      if (answer.ok) {
        say("");
        show(body);
        again = body.finished === null;
      } else if (answer.status === 404) {
        say(reasonOf(body), true);
        again = false;
      } else {
        say(text("reconnecting"));
      }
    } catch {
      // The worker is being replaced; the job goes on.
      say(text("reconnecting"));
    }
    if (again) timer = setTimeout(look, POLL_MS);
  }

  function show(body) {
    at("sc-job").hidden = false;
    at("sc-job").querySelector(".sc-bar i").style.width = `${100 * body.progress}%`;
    const counts = Object.entries(body.counts)
      .map(([state, count]) => `${text(`file_${state}`)} ${count}`)
      .join(" · ");
    at("sc-job-summary").textContent = `${text(`job_${body.state}`)} · ${counts}`;
    const results = at("sc-job-results");
    results.hidden = !(body.counts.done > 0);
    results.href = address(`/jobs/${body.job}/results`);
    at("sc-job-cancel").hidden = body.finished !== null;
    const rows = body.files.map((file) => {
      const row = document.createElement("tr");
      row.className = `sc-file-${file.state}`;
      const running = file.state === "running" ? ` ${Math.floor(100 * file.progress)}%` : "";
      const seconds = file.audio_seconds === null ? "" : text("seconds", { value: file.audio_seconds.toFixed(1) });
      const cells = [file.number, file.name, text(`file_${file.state}`) + running,
        file.error ? reasonOf(file) : seconds];
      for (const cell of cells) row.insertCell().textContent = cell;
      return row;
    });
    at("sc-job").querySelector("tbody").replaceChildren(...rows);
  }

  document.addEventListener("submit", (event) => {
    if (event.target.id !== "sc-batch") return;
    event.preventDefault();
    send(event.target);
  });
  document.addEventListener("click", async (event) => {
    if (event.target.closest("#sc-job-cancel")) {
      await fetch(address(`/jobs/${encodeURIComponent(job)}`), { method: "DELETE" });
      look();
    }
  });
  // The tab's content comes when Gradio has built it.
  if (job) {
    const waiting = setInterval(() => {
      if (!at("sc-job")) return;
      clearInterval(waiting);
      look();
    }, 200);
  }
})();
