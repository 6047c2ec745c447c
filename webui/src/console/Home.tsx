import { useQuery } from "@tanstack/react-query";
import { isStatus } from "../api/client";
import type { One, Overview } from "../api/types";
import { Notice, Skeleton, Trouble, When } from "../ui";
import { useApi } from "./App";
import { FirstSteps, firstSteps } from "./FirstSteps";
import { Figures } from "./Overview";

/** What happens right now, over all customers. */
export function Home() {
  const api = useApi();
  const got = useQuery({ queryKey: ["overview"], queryFn: () => api.get<One<Overview>>("/overview"), refetchInterval: 2000, retry: false });
  const start = useQuery({ queryKey: ["first-steps"], queryFn: () => firstSteps(api), staleTime: 10_000 });
  const done = start.data?.every(s => s.done);
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
          <Trouble error={got.error} retry={() => got.refetch()} />
        ))}
      {got.data && <Figures o={got.data.data} />}
    </div>
  );
}
