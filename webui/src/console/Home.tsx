import { useQuery } from "@tanstack/react-query";
import { isStatus } from "../api/client";
import type { One, Overview } from "../api/types";
import { Notice, Reading, Skeleton, When } from "../ui";
import { Attention } from "./Attention";
import { FirstSteps, firstSteps, remembered } from "./FirstSteps";
import { Figures } from "./Overview";
import { useApi } from "./session";

/** What happens right now, over all customers. */
export function Home() {
  const api = useApi();
  const got = useQuery({ queryKey: ["overview"], queryFn: () => api.get<One<Overview>>("/overview"), refetchInterval: 2000, retry: false });
  const start = useQuery({ queryKey: ["first-steps"], queryFn: () => firstSteps(api), enabled: !remembered(), refetchInterval: 5000 });
  // The last step is the first request: what comes before it is done where there is one.
  const done = start.data?.at(-1)?.done;
  return (
    <div className="page stack loose">
      <div className="row between wrap">
        <h1>Home</h1>
        {got.data && (
          <span className="small muted num">
            Counting since <When at={got.data.data.since} />
          </span>
        )}
      </div>
      {start.data && !done && <FirstSteps steps={start.data} />}
      {got.isPending && <Skeleton lines={8} />}
      {got.isError &&
        (isStatus(got.error, 404) ? (
          <Notice>This server does not report an overview. Customers, their budgets and the catalogue work as always.</Notice>
        ) : (
          <Reading got={got} />
        ))}
      <Attention o={got.data?.data} />
      {got.data && <Figures o={got.data.data} />}
    </div>
  );
}
