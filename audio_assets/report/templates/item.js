"use strict";
(() => {
  const player = document.getElementById("player");
  const audios = [...document.querySelectorAll("audio")];
  if (!player || !audios.length) return;
  const at = (id) => document.getElementById(id);
  const play = at("play"), now = at("now"), seek = at("seek"), head = at("playhead");
  const scroller = at("scroller"), timeline = at("timeline"), radios = [...document.getElementsByName("source")];
  const duration = Number(player.dataset.duration), heard = Number(player.dataset.preview);
  let source = 0, zoom = 1, position = 0, frame = 0;

  const clock = (s) => {
    const whole = Math.floor(s), two = (n) => String(n).padStart(2, "0"), m = Math.floor(whole / 60);
    return m < 60 ? `${m}:${two(whole % 60)}` : `${Math.floor(m / 60)}:${two(m % 60)}:${two(whole % 60)}`;
  };
  const current = () => audios[source];

  const draw = (follow) => {
    now.textContent = clock(position);
    head.style.left = `${100 * position / duration}%`;
    seek.value = position;
    seek.setAttribute("aria-valuetext", `${clock(position)} of ${clock(duration)}`);
    if (follow && zoom > 1) {
      const x = position / duration * timeline.offsetWidth, left = scroller.scrollLeft;
      if (x < left || x > left + scroller.clientWidth * 0.9) scroller.scrollLeft = x - scroller.clientWidth * 0.1;
    }
  };
  const tick = () => {
    position = current().currentTime;
    draw(true);
    frame = current().paused ? 0 : requestAnimationFrame(tick);
  };
  const show = () => {
    const playing = !current().paused;
    play.setAttribute("aria-pressed", playing);
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    if (playing && !frame) frame = requestAnimationFrame(tick);
  };
  const go = (seconds) => {
    position = Math.min(Math.max(seconds, 0), heard);
    current().currentTime = position;
    draw(true);
  };
  const toggle = () => (current().paused ? current().play() : current().pause());
  const choose = (index) => {
    if (index === source || !audios[index]) return;
    const playing = !current().paused;
    current().pause();
    source = index;
    radios[index].checked = true;
    current().currentTime = position;
    for (const lane of document.querySelectorAll(".stem")) lane.classList.toggle("on", Number(lane.dataset.source) === index);
    if (playing) current().play();
    show();
  };
  const enlarge = (factor) => {
    const old = zoom, middle = position / duration;
    zoom = Math.min(Math.max(zoom * factor, 1), 16);
    if (zoom === old) return;
    timeline.style.setProperty("--zoom", zoom);
    timeline.classList.toggle("close", zoom >= 4);
    at("zoom").textContent = `${zoom}×`;
    at("zoom-out").disabled = zoom === 1;
    at("zoom-in").disabled = zoom === 16;
    scroller.scrollLeft = middle * timeline.offsetWidth - scroller.clientWidth / 2;
  };

  for (const audio of audios) {
    audio.controls = false;
    for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, show);
  }
  play.addEventListener("click", toggle);
  seek.addEventListener("input", () => go(Number(seek.value)));
  radios.forEach((radio, index) => radio.addEventListener("change", () => choose(index)));
  at("zoom-in").addEventListener("click", () => enlarge(2));
  at("zoom-out").addEventListener("click", () => enlarge(0.5));
  timeline.addEventListener("click", (event) => {
    const lane = event.target.closest(".stem");
    if (lane) choose(Number(lane.dataset.source));
    go((event.clientX - timeline.getBoundingClientRect().left) / timeline.offsetWidth * duration);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const on = event.target.closest("button, input, a, summary");
    const step = event.shiftKey ? 10 : 2;
    if (event.key === " " && (!on || on === seek || on.type === "radio")) toggle();
    else if (event.key === "ArrowRight" && (!on || on === seek)) go(position + step);
    else if (event.key === "ArrowLeft" && (!on || on === seek)) go(position - step);
    else if (/^[1-9]$/.test(event.key) && !event.shiftKey) choose(Number(event.key) - 1);
    else return;
    event.preventDefault();
  });
  draw(false);
})();
