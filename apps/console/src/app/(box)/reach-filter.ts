// The way to a page's filter by `/`, also while one page gives way to another: the field may not be there yet, or be made
// anew a moment later, and the router moves focus when it is done. Until it rests in the field, what is typed is kept for it.

const patienceMs = 3_000;
/** A page change is over when nothing has taken the focus away for this long. */
const restMs = 400;

let end: (() => void) | undefined;
let leaving: { path: string; at: number } | undefined;

/** A key has asked for another page: until it is there, the filter in sight is not the one that is meant. */
export function leaveFor(path: string): void {
  leaving = { path, at: performance.now() };
}

export function reachFilter(): void {
  end?.();
  let typed = "";
  let reachedAt: number | undefined;
  const startedAt = performance.now();

  function reach() {
    const active = document.activeElement;
    const filter = [...document.querySelectorAll<HTMLInputElement>("[data-filter]")].findLast((it) =>
      it.checkVisibility(),
    );
    const now = performance.now();
    if (leaving && window.location.pathname !== leaving.path && now - leaving.at < patienceMs) return;
    leaving = undefined;
    if (filter && active !== filter) {
      filter.focus();
      filter.select();
      reachedAt = now;
    }
    if (filter && typed) {
      write(filter, typed);
      typed = "";
    }
    if (now - startedAt > patienceMs + restMs || (reachedAt !== undefined && now - reachedAt > restMs))
      end?.();
  }

  function onKey(event: KeyboardEvent) {
    if (event.key === "Tab" || event.key === "Escape") return end?.();
    // A key that is pressed again on behalf of an early one writes nothing by itself.
    if (event.isTrusted && !leaving && document.activeElement?.matches("[data-filter]")) return;
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    typed += event.key;
    if (!event.isTrusted) reach();
  }

  const timer = setInterval(reach, 30);
  const stop = () => end?.();
  end = () => {
    clearInterval(timer);
    document.removeEventListener("keydown", onKey, true);
    document.removeEventListener("pointerdown", stop, true);
    end = undefined;
  };
  // Whoever points elsewhere has changed his mind.
  document.addEventListener("pointerdown", stop, true);
  document.addEventListener("keydown", onKey, true);
  reach();
}

/** As if typed: React listens to the event, not to the value. */
function write(field: HTMLInputElement, text: string) {
  const value = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
  value?.set?.call(field, field.value + text);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
