import { formatExact } from "../api/amount";
import { inWords, readAmount } from "../api/typed";
import { Text } from ".";

type Props = {
  label: string;
  value: string;
  onChange: (v: string) => void;
  /** What is counted, in the plural. */
  unit?: string;
  placeholder?: string;
  autoFocus?: boolean;
  /** Something else to say where nothing is typed. */
  hint?: string;
  /** 0 is no amount here. */
  above0?: boolean;
};

const longest = 90;

/** What was understood: "3,000 credits, three thousand". */
export function Echo({ value, unit }: { value: string; unit?: string }) {
  const { amount } = readAmount(value);
  if (!amount) return null;
  const words = inWords(amount);
  return (
    <span className="echo">
      = <span className="num">{formatExact(amount.text)}</span> {unit}
      {words.length <= longest && <span>: {words}</span>}
    </span>
  );
}

/** An amount as the reader's language writes it, with what was understood below it. */
export function AmountField({ label, value, onChange, unit, above0, hint, ...rest }: Props) {
  const { amount, problem } = readAmount(value);
  const none = above0 && amount?.text === "0" ? "An amount above 0" : null;
  return (
    <Text
      label={label}
      value={value}
      onChange={onChange}
      inputMode="decimal"
      problem={problem ?? none}
      hint={amount ? <Echo value={value} unit={unit} /> : hint}
      {...rest}
    />
  );
}
