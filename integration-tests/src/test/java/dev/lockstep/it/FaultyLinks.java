// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.FaultProxy;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.MemberAddress;
import dev.lockstep.cluster.Membership;
import dev.lockstep.cluster.Registration;
import dev.lockstep.cluster.ZooKeeperCluster;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// Proxies between the processes of two clusters that know of each other only through this: each
/// member of a role in one cluster is announced in the other at the address of a proxy. So a link
/// between two processes of one host fails as one between hosts does.
final class FaultyLinks implements AutoCloseable {
    private final Cluster of;
    private final Cluster to;
    private final Member.Role role;
    private final Map<String, FaultProxy> proxies = new ConcurrentHashMap<>();
    private final Map<String, Registration> announced = new ConcurrentHashMap<>();
    private final Membership.Subscription subscription;

    /// @param of the cluster of the processes
    /// @param to the cluster of those that reach them through the proxies
    FaultyLinks(String zooKeeper, String of, String to, Member.Role role, ClusterAccess access) {
        this.of = ZooKeeperCluster.connect(zooKeeper, of, access);
        this.to = ZooKeeperCluster.connect(zooKeeper, to, access);
        this.role = role;
        subscription = this.of.membership().listen(this::follow);
    }

    private synchronized void follow(Membership.Snapshot members) {
        for (Member member : members.members(role)) {
            Member elsewhere = withAddress(member, proxy(member));
            Registration known = announced.get(member.incarnation());
            if (known == null) {
                announced.put(member.incarnation(), to.register(elsewhere));
            } else {
                known.update(elsewhere);
            }
        }
    }

    private MemberAddress proxy(Member member) {
        FaultProxy proxy =
                proxies.computeIfAbsent(
                        member.role() + " " + member.rank(),
                        _ -> {
                            try {
                                return new FaultProxy(member.address().port());
                            } catch (IOException e) {
                                throw new UncheckedIOException(e);
                            }
                        });
        return MemberAddress.tcp("127.0.0.1", proxy.port());
    }

    private static Member withAddress(Member member, MemberAddress address) {
        return new Member(
                member.role(),
                member.group(),
                member.rank(),
                member.size(),
                address,
                member.state(),
                member.incarnation(),
                member.pid(),
                member.attributes());
    }

    /// Returns the proxy before a process.
    FaultProxy before(int rank) {
        FaultProxy proxy = proxies.get(role + " " + rank);
        if (proxy == null) {
            throw new IllegalStateException("no " + role + " of rank " + rank + " is announced");
        }
        return proxy;
    }

    @Override
    public void close() {
        subscription.close();
        of.close();
        to.close();
        proxies.values().forEach(FaultProxy::close);
    }
}
