"use client";

import type { Application } from "@signalbox/modules/moderation/schema";
import { useToast } from "@signalbox/ui/toasts";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTRPC } from "@/trpc.ts";
import { ChangeDialog } from "../change-dialog.tsx";

export function RevokeDialog({ application, onClose }: { application: Application; onClose: () => void }) {
  const trpc = useTRPC();
  const toast = useToast();
  const queryClient = useQueryClient();
  const revoke = useMutation(
    trpc.applications.revoke.mutationOptions({
      onSuccess() {
        toast("clear", `The key of ${application.name} is refused from now on`);
        onClose();
        return queryClient.invalidateQueries({ queryKey: trpc.applications.list.queryKey() });
      },
    }),
  );
  return (
    <ChangeDialog
      title={`Revoke the key of ${application.name}`}
      subtitle="Every call with it is refused within a second. It can not be undone; a new key can be made."
      onClose={onClose}
      change={revoke}
      onSubmit={(said) => revoke.mutate({ id: application.id, ...said })}
      failed="The key was not revoked"
      needs="admin"
      submit="Revoke the key"
      tone="danger"
    />
  );
}
