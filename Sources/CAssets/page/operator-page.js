"use strict";
(() => {
  const live = document.getElementById("live");
  let shownAt = "";

  // Changes only what differs, so that the focus, the selection and the place of scrolled tables stay.
  const update = (node, wanted) => {
    if (node.nodeName !== wanted.nodeName) return node.replaceWith(wanted);
    if (node.nodeType === Node.TEXT_NODE) {
      if (node.data !== wanted.data) node.data = wanted.data;
      return;
    }
    for (const { name } of [...node.attributes]) if (!wanted.hasAttribute(name)) node.removeAttribute(name);
    for (const { name, value } of wanted.attributes) {
      if (node.getAttribute(name) !== value) node.setAttribute(name, value);
    }
    updateChildren(node, wanted);
  };

  const updateChildren = (node, wanted) => {
    const [old, children] = [[...node.childNodes], [...wanted.childNodes]];
    children.forEach((child, index) => (index < old.length ? update(old[index], child) : node.append(child)));
    for (const rest of old.slice(children.length)) rest.remove();
  };

  const events = new EventSource("/status/events");
  events.onmessage = ({ data }) => {
    const { time, sections } = JSON.parse(data);
    for (const [id, html] of Object.entries(sections)) {
      const template = document.createElement("template");
      template.innerHTML = html;
      updateChildren(document.getElementById(id), template.content);
    }
    shownAt = time;
    live.textContent = `Live, as of ${time} UTC`;
    live.classList.remove("lost");
  };
  events.onerror = () => {
    live.textContent = `Connection lost. The numbers are of ${shownAt || "the start"} UTC. Connecting again …`;
    live.classList.add("lost");
  };
})();
