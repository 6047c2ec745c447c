// The governance view as a component of Vue 3. Copy this file into your product.
//
//   <BursarGovernance base-url="https://bursar.example.com" customer="acme" :refresh-token="askBackend" @change="reload" />
import { defineComponent, h, onMounted, type PropType } from "vue";

type Place = { view: string; node: string | null; capability: string | null };

export const BursarGovernance = defineComponent({
  name: "BursarGovernance",
  props: {
    /** Where Bursar is. */
    baseUrl: { type: String, required: true },
    customer: { type: String, required: true },
    /** Asks your backend for an access token of that customer: now, before each one ends, and when customer is another. */
    refreshToken: { type: Function as PropType<(customer: string) => Promise<string>>, required: true },
    view: String as PropType<"overview" | "usage" | "tree" | "stopped" | "requests" | "explain" | "activity">,
    node: String as PropType<string | null>,
    capability: String,
    locale: String,
    theme: String as PropType<"auto" | "light" | "dark">,
    maxHeight: Number,
  },
  emits: {
    ready: (_at: Place) => true,
    navigate: (_at: Place) => true,
    change: (_change: { text: string; entityIds: string[] | null }) => true,
    tokenExpired: (_why: { message: string }) => true,
    error: (_problem: { code: string; message: string }) => true,
  },
  setup(props, { emit }) {
    onMounted(() => load(props.baseUrl));
    return () =>
      h("bursar-governance", {
        "base-url": props.baseUrl,
        customer: props.customer,
        view: props.view,
        node: props.node ?? undefined,
        capability: props.capability,
        locale: props.locale,
        theme: props.theme,
        "max-height": props.maxHeight,
        // With a dot it is a property, before the element is defined, too.
        ".refreshToken": (customer: string) => props.refreshToken(customer),
        onBursarReady: (e: CustomEvent<Place>) => emit("ready", e.detail),
        onBursarNavigate: (e: CustomEvent<Place>) => emit("navigate", e.detail),
        onBursarChange: (e: CustomEvent<{ text: string; entityIds: string[] | null }>) => emit("change", e.detail),
        onBursarTokenExpired: (e: CustomEvent<{ message: string }>) => emit("tokenExpired", e.detail),
        onBursarError: (e: CustomEvent<{ code: string; message: string }>) => emit("error", e.detail),
      });
  },
});

/** Loads the element once. */
function load(baseUrl: string) {
  const src = new URL("/embed.js", baseUrl).href;
  if (customElements.get("bursar-governance") || document.querySelector(`script[src="${src}"]`)) return;
  const script = document.createElement("script");
  script.src = src;
  document.head.append(script);
}
