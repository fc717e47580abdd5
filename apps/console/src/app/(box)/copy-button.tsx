// Copies a text and says that it did.

"use client";

import { Button, type ButtonProps } from "@signalbox/ui/button";
import { useToast } from "@signalbox/ui/toasts";
import { useEffect, useState } from "react";

const saidMs = 2_000;

export function CopyButton({ text, children, ...rest }: { text: string } & ButtonProps) {
  const toast = useToast();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), saidMs);
    return () => clearTimeout(timer);
  }, [copied]);

  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // Browsers give the clipboard to pages over HTTPS and on this machine alone.
      toast("caution", "This browser does not let the page copy; select the text and copy it by hand.");
    }
  }

  return (
    <Button {...rest} onClick={() => void copy()}>
      {copied ? "Copied" : children}
      <span className="visually-hidden" role="status">
        {copied ? "Copied" : ""}
      </span>
    </Button>
  );
}
