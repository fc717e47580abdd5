// The mark: a signal head on its post, the upper lamp lit.

export function Mark({ className }: { className?: string | undefined }) {
  return (
    <svg className={className} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" fill="var(--accent)" />
      <rect x="10.5" y="5" width="11" height="19" rx="5.5" fill="var(--on-accent)" />
      <circle cx="16" cy="10.5" r="3" fill="var(--accent)" />
      <circle cx="16" cy="18.5" r="2.25" fill="none" stroke="var(--accent)" strokeWidth="1.5" />
      <path d="M16 24v4" stroke="var(--on-accent)" strokeWidth="2.5" strokeLinecap="round" />
    </svg>
  );
}
