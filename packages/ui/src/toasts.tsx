// Short confirmations at the edge of the screen, read aloud politely, gone by themselves.

"use client";

import { createContext, use, useCallback, useEffect, useState } from "react";
import { type Aspect, Lamp } from "./signal-lamp.tsx";
import styles from "./toasts.module.css";

type Toast = { id: number; aspect: Aspect; text: React.ReactNode };
type Show = (aspect: Aspect, text: React.ReactNode) => void;

const ShowToast = createContext<Show>(() => {});

export const useToast = () => use(ShowToast);

const shownMs = 7_000;

export function Toasts({ children }: { children: React.ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const show = useCallback<Show>((aspect, text) => {
    setToasts((now) => [...now.slice(-2), { id: (now.at(-1)?.id ?? 0) + 1, aspect, text }]);
  }, []);
  const dismiss = useCallback((id: number) => setToasts((now) => now.filter((toast) => toast.id !== id)), []);
  return (
    <ShowToast value={show}>
      {children}
      <div className={styles.region} role="status" aria-live="polite">
        {toasts.map((toast) => (
          <ToastCard key={toast.id} toast={toast} dismiss={dismiss} />
        ))}
      </div>
    </ShowToast>
  );
}

function ToastCard({ toast, dismiss }: { toast: Toast; dismiss: (id: number) => void }) {
  useEffect(() => {
    const timer = setTimeout(() => dismiss(toast.id), shownMs);
    return () => clearTimeout(timer);
  }, [toast.id, dismiss]);
  return (
    <div className={styles.toast}>
      <Lamp aspect={toast.aspect} />
      <div className={styles.text}>{toast.text}</div>
      <button type="button" className={styles.dismiss} onClick={() => dismiss(toast.id)} aria-label="Dismiss">
        ×
      </button>
    </div>
  );
}
