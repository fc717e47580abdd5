// Keys pressed before the page is alive. A page is seen a moment before its code runs; who knows the keys does not wait for it.

type EarlyKey = { key: string; ctrlKey: boolean; at: number };

declare global {
  interface Window {
    takeEarlyKeys?: () => EarlyKey[];
  }
}

/** Runs in the document as it arrives, so it is text. */
export const earlyKeysScript = `(() => {
  const pressed = [];
  const onKey = (event) => {
    const { key, target } = event;
    const find = (event.ctrlKey || event.metaKey) && key.toLowerCase() === "k";
    if (event.altKey || key.length !== 1 || ((event.ctrlKey || event.metaKey) && !find)) return;
    if (target instanceof Element && target.closest("input, textarea, select")) return;
    if (find || key === "/") event.preventDefault();
    pressed.push({ key, ctrlKey: find, at: performance.now() });
  };
  document.addEventListener("keydown", onKey);
  window.takeEarlyKeys = () => {
    document.removeEventListener("keydown", onKey);
    return pressed.splice(0);
  };
})();`;

/** Past this one has given up. */
const rememberedMs = 5_000;

/** Presses them again, now that someone listens. */
export function pressEarlyKeys(): void {
  for (const { key, ctrlKey, at } of window.takeEarlyKeys?.() ?? [])
    if (performance.now() - at < rememberedMs)
      document.dispatchEvent(new KeyboardEvent("keydown", { key, ctrlKey, cancelable: true }));
}
