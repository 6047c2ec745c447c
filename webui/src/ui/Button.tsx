import { LoaderCircle } from "lucide-react";
import type { ButtonHTMLAttributes, ReactNode } from "react";

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: "primary" | "danger" | "quiet";
  size?: "small";
  icon?: ReactNode;
  busy?: boolean;
};

/** A button; without children its label must be given and is shown as its title. */
export function Button({ look, size, icon, busy, children, className = "", ...rest }: ButtonProps) {
  const classes = ["button", look, size, children ? "" : "icon", className].filter(Boolean).join(" ");
  return (
    <button type="button" title={children ? undefined : rest["aria-label"]} {...rest} disabled={rest.disabled || busy} className={classes}>
      {busy ? <LoaderCircle size={15} className="spin" aria-hidden /> : icon}
      {children}
    </button>
  );
}
