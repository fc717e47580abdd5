// What is pressed before the page is alive. A page is seen a moment before its code runs; who knows where things are does not
// wait for it.

declare global {
  interface Window {
    takeEarlyKeys?: () => { key: string; ctrlKey: boolean; at: number }[];
    takeEarlyButton?: () => { element: HTMLElement; at: number } | undefined;
  }
}

/** Runs in the document as it arrives, so it is text. */
export const earlyInputScript = `(() => {
  const keys = [];
  let button;
  const onKey = (event) => {
    const { key, target } = event;
    const find = (event.ctrlKey || event.metaKey) && key.toLowerCase() === "k";
    if (event.altKey || key.length !== 1 || ((event.ctrlKey || event.metaKey) && !find)) return;
    if (target instanceof Element && target.closest("input, textarea, select")) return;
    if (find || key === "/") event.preventDefault();
    keys.push({ key, ctrlKey: find, at: performance.now() });
  };
  // Kept from whoever listens by then, so that nothing is pressed twice. Links work by themselves. A page that is not alive after
  // 20 seconds has failed, and what stands there instead may have a button of its own.
  const onClick = (event) => {
    const element = event.target instanceof Element ? event.target.closest("button") : null;
    if (!element || !event.isTrusted || performance.now() > 20_000) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    button = { element, at: performance.now() };
  };
  document.addEventListener("keydown", onKey);
  window.addEventListener("click", onClick, true);
  window.takeEarlyKeys = () => {
    document.removeEventListener("keydown", onKey);
    return keys.splice(0);
  };
  window.takeEarlyButton = () => {
    window.removeEventListener("click", onClick, true);
    const taken = button;
    button = undefined;
    return taken;
  };
})();`;

/** Past this one has given up. */
const rememberedMs = 5_000;
const isRecent = ({ at }: { at: number }) => performance.now() - at < rememberedMs;

/** Presses them again, now that the frame listens. */
export function pressEarlyKeys(): void {
  for (const { key, ctrlKey } of window.takeEarlyKeys?.().filter(isRecent) ?? [])
    document.dispatchEvent(new KeyboardEvent("keydown", { key, ctrlKey, cancelable: true }));
}

/** Presses the last one again, now that the page in the frame listens, which is later. */
export function pressEarlyButton(): void {
  const pressed = window.takeEarlyButton?.();
  if (pressed && isRecent(pressed)) pressed.element.click();
}
