/** The seal: a cinnabar square with a wire through it. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true">
      <rect x="2" y="2" width="28" height="28" rx="6" fill="#b23a25" />
      <path
        d="M9 11h14M9 16h9a4 4 0 0 1 0 8H9"
        fill="none"
        stroke="#fff"
        strokeWidth="2.6"
        strokeLinecap="round"
      />
      <circle cx="23" cy="11" r="2.6" fill="#fff" />
    </svg>
  );
}
