#!/bin/sh
# End what runs, before `kubectl delete -k`: nothing new starts, every active task becomes CANCELLED after its pod has
# saved what it could, and no pod is left. Safe to repeat. An apply of the overlay takes it back.
#   leave.sh [NAMESPACE OF THE FUNCTIONS]    sync-functions if absent
set -eu
namespace=${1:-sync-functions}
kubectl delete ksvc -n "$namespace" --ignore-not-found spec check discover read syncs sweeper
# What the sweeper's service consists of goes a moment after it, and would replace a pod until then.
kubectl wait -n "$namespace" --for=delete deployment,replicaset -l serving.knative.dev/service=sweeper \
    --timeout=120s || true
# The sweeper starts what is scheduled. A call may take it minutes, and breaking it off does no harm.
kubectl delete pod -n "$namespace" -l serving.knative.dev/service=sweeper --ignore-not-found --grace-period=10
# A request that is under way still ends, and may start its task until then.
kubectl wait -n "$namespace" --for=delete pod -l 'serving.knative.dev/service in (spec, check, discover, read, syncs)' \
    --timeout=120s || true
kubectl delete job -n "$namespace" --ignore-not-found leave
kubectl create job -n "$namespace" --from=cronjob/leave leave
# Its pods wait for the task pods' grace period, and try again after a failure.
for _ in $(seq 300); do
    case $(kubectl get job -n "$namespace" leave -o 'jsonpath={.status.conditions[?(@.status=="True")].type}') in
    *Complete*)
        kubectl logs -n "$namespace" job/leave
        exit 0
        ;;
    *Failed*) break ;;
    esac
    sleep 2
done
kubectl logs -n "$namespace" job/leave --tail=5 >&2 || true
echo "Tasks may still run; repeat this, or look at: kubectl get pods -n $namespace -l job-name=leave" >&2
exit 1
