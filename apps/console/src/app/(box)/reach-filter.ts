// The way to a page's filter by `/`, also while one page gives way to another: the field may not be there yet, or be made
// anew a moment later, and the router moves focus when it is done. Until it rests in the field, what is typed is kept for it.

const patienceMs = 3_000;
/** A page change is over when nothing has taken the focus away for this long. */
const restMs = 400;

let end: (() => void) | undefined;

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
    if (filter && active !== filter) {
      filter.focus();
      filter.select();
      reachedAt = now;
    }
    if (filter && typed) {
      write(filter, typed);
      typed = "";
    }
    if (now - startedAt > patienceMs || (reachedAt !== undefined && now - reachedAt > restMs)) end?.();
  }

  function onKey(event: KeyboardEvent) {
    if (event.key === "Tab" || event.key === "Escape") return end?.();
    if (document.activeElement?.matches("[data-filter]")) return;
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    typed += event.key;
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
