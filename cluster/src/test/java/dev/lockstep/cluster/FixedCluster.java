// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.Randomness;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.Executor;

/// A cluster in memory: for tests, for simulations on one thread, and for a fixed list of members.
///
/// Each process has its own instance; those created by [#another] share one content. With
/// `Runnable::run` as executor every listener is called before the method that changed something
/// returns.
public final class FixedCluster implements Cluster {

    /// The state that the processes share; guarded by itself.
    private static final class World {
        final byte[] blockHashKey;
        final List<FixedCluster> clusters = new ArrayList<>();
        final List<FixedRegistration> registrations = new ArrayList<>();
        final Map<String, Group> groups = new HashMap<>();

        World(byte[] blockHashKey) {
            this.blockHashKey = blockHashKey.clone();
        }

        void publish() {
            List<Member> members = registrations.stream().map(FixedRegistration::member).toList();
            List.copyOf(clusters).forEach(cluster -> cluster.table.replace(members));
        }
    }

    private static final class Group {
        final List<FixedLeadership> contenders = new ArrayList<>();
        LeadershipState.Counter counter = LeadershipState.Counter.NONE;

        void evaluate() {
            List.copyOf(contenders).forEach(FixedLeadership::evaluate);
        }
    }

    private final World world;
    private final Executor events;
    private final MemberTable table;

    /// Creates the first process of a cluster.
    ///
    /// @param events calls the listeners of this process
    /// @param randomness makes the shared key
    public FixedCluster(Executor events, Randomness randomness) {
        this(new World(randomness.nextKey()), events);
    }

    private FixedCluster(World world, Executor events) {
        this.world = world;
        this.events = events;
        table = new MemberTable(events);
        synchronized (world) {
            world.clusters.add(this);
            world.publish();
        }
    }

    /// Creates a cluster with these members.
    public static FixedCluster of(List<Member> members) {
        var cluster = new FixedCluster(Runnable::run, Randomness.secure());
        members.forEach(cluster::register);
        return cluster;
    }

    /// Creates another process with the same content.
    public FixedCluster another(Executor otherEvents) {
        return new FixedCluster(world, otherEvents);
    }

    /// Simulates a lost session: this process is announced anew and is last in elections; it does
    /// not yet know whether it still leads.
    public void loseSession() {
        synchronized (world) {
            List<FixedRegistration> mine = registrations();
            world.registrations.removeAll(mine);
            world.registrations.addAll(mine);
            world.publish();
            for (Group group : world.groups.values()) {
                List<FixedLeadership> back =
                        group.contenders.stream().filter(one -> one.cluster() == this).toList();
                group.contenders.removeAll(back);
                group.contenders.addAll(back);
                group.evaluate();
            }
        }
    }

    /// Simulates that ZooKeeper comes back empty, with new sessions of all processes: contenders
    /// are in the opposite order, and counters are gone until [#restore].
    public void wipe() {
        synchronized (world) {
            for (Group group : world.groups.values()) {
                Collections.reverse(group.contenders);
                group.counter = LeadershipState.Counter.NONE;
                group.evaluate();
            }
        }
    }

    /// Simulates that leaders have read what [#wipe] left, and write what they know.
    public void restore() {
        synchronized (world) {
            for (Group group : world.groups.values()) {
                group.contenders.forEach(FixedLeadership::restore);
                group.evaluate();
            }
        }
    }

    private List<FixedRegistration> registrations() {
        return world.registrations.stream().filter(one -> one.cluster() == this).toList();
    }

    @Override
    public Membership membership() {
        return table;
    }

    @Override
    public Registration register(Member member) {
        MemberJson.write(member);
        var registration = new FixedRegistration(member);
        synchronized (world) {
            world.registrations.add(registration);
            world.publish();
        }
        return registration;
    }

    @Override
    public Leadership contend(String group, String contender, Leadership.Listener listener) {
        synchronized (world) {
            Group contended = world.groups.computeIfAbsent(group, name -> new Group());
            var leadership = new FixedLeadership(group, contended, contender, listener);
            contended.contenders.add(leadership);
            contended.evaluate();
            return leadership;
        }
    }

    @Override
    public OptionalLong givenEpoch(String group) {
        synchronized (world) {
            Group contended = world.groups.get(group);
            return OptionalLong.of(contended == null ? 0 : contended.counter.epoch());
        }
    }

    @Override
    public byte[] blockHashKey() {
        return world.blockHashKey.clone();
    }

    @Override
    public boolean connected() {
        return true;
    }

    @Override
    public boolean awaitConnected(Duration timeout) {
        return true;
    }

    @Override
    public void close() {
        synchronized (world) {
            world.clusters.remove(this);
            world.registrations.removeAll(registrations());
            world.publish();
            for (Group group : world.groups.values()) {
                group.contenders.removeIf(one -> one.cluster() == this);
                group.evaluate();
            }
        }
    }

    private final class FixedRegistration implements Registration {

        private Member member;

        FixedRegistration(Member member) {
            this.member = member;
        }

        FixedCluster cluster() {
            return FixedCluster.this;
        }

        @Override
        public Member member() {
            synchronized (world) {
                return member;
            }
        }

        @Override
        public void update(Member changed) {
            synchronized (world) {
                Registration.requireSame(member, changed);
                MemberJson.write(changed);
                member = changed;
                world.publish();
            }
        }

        @Override
        public void close() {
            synchronized (world) {
                world.registrations.remove(this);
                world.publish();
            }
        }
    }

    private final class FixedLeadership implements Leadership {

        private final String groupName;
        private final Group group;
        private final Listener listener;
        private final LeadershipState state;

        FixedLeadership(String groupName, Group group, String contender, Listener listener) {
            this.groupName = groupName;
            this.group = group;
            this.listener = listener;
            state = new LeadershipState(contender);
        }

        FixedCluster cluster() {
            return FixedCluster.this;
        }

        private boolean first() {
            return !group.contenders.isEmpty() && group.contenders.getFirst() == this;
        }

        void evaluate() {
            switch (state.observe(first(), group.counter)) {
                case NONE -> {}
                case ELECTED -> events.execute(listener::elected);
                case DEPOSED -> events.execute(listener::deposed);
            }
        }

        void restore() {
            if (state.counterLags(group.counter)) {
                group.counter = state.own();
            }
        }

        @Override
        public String group() {
            return groupName;
        }

        @Override
        public boolean leading() {
            synchronized (world) {
                return state.leading();
            }
        }

        @Override
        public OptionalLong nextEpoch(long atLeast) {
            synchronized (world) {
                evaluate();
                if (!state.leading()) {
                    return OptionalLong.empty();
                }
                group.counter = state.next(atLeast);
                state.took(group.counter);
                group.evaluate();
                return OptionalLong.of(group.counter.epoch());
            }
        }

        @Override
        public void close() {
            synchronized (world) {
                state.resign();
                group.contenders.remove(this);
                group.evaluate();
            }
        }
    }
}
