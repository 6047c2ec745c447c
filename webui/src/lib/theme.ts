export type Theme = "auto" | "light" | "dark";

const dark = matchMedia("(prefers-color-scheme: dark)");
let theme: Theme = "auto";
dark.addEventListener("change", paint);

function paint() {
  document.documentElement.dataset.theme = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
}

/** Sets the theme, and the custom properties that a vendor has chosen. Others are not let in. */
export function applyTheme(next: Theme, properties: Record<string, string> = {}) {
  theme = next === "light" || next === "dark" ? next : "auto";
  paint();
  for (const [k, v] of Object.entries(properties)) {
    if (/^--bursar-[a-z0-9-]+$/.test(k) && !/url\(/i.test(v)) document.documentElement.style.setProperty(k, v);
  }
}
