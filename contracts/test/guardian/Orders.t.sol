// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardian} from "../../src/IGuardian.sol";
import {Guardian} from "../../src/Guardian.sol";
import {SetUp} from "./SetUp.sol";
import {Moody} from "./Targets.sol";

contract OrdersTest is SetUp {
    event TargetPaused(address indexed target, address indexed by, bool bySentinels, uint256 resumesAt, uint64 epoch);
    event OrderExecuted(
        address indexed target,
        bytes32 indexed decision,
        address indexed submitter,
        uint64 observedBlock,
        address[] signers
    );
    event OrderShadowed(
        address indexed target,
        bytes32 indexed decision,
        address indexed submitter,
        uint64 observedBlock,
        address[] signers
    );
    event OrderCancelled(address indexed target, bytes32 indexed decision, address indexed by, bytes32 digest);

    function setUp() public override {
        super.setUp();
        register(address(vault));
        arm(address(vault));
    }

    function firstThree() private view returns (address[] memory list) {
        list = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            list[i] = vm.addr(keys[i]);
        }
    }

    function test_ThreeOfFivePause() public {
        IGuardian.Order memory order = orderFor(address(vault));
        bytes memory signatures = signed(order, 3);
        same(uint256(guardian.checkOrder(order, signatures)), 0, "nothing against it");
        same(uint256(guardian.checkTarget(address(vault))), 0, "nor against the target");
        vm.expectEmit(true, true, true, true, address(guardian));
        emit OrderExecuted(address(vault), "decision", OTHER, order.observedBlock, firstThree());
        vm.expectEmit(true, true, true, true, address(guardian));
        emit TargetPaused(address(vault), OTHER, true, block.timestamp + SENTINEL_SECONDS, 3);
        execute(order, signatures);
        yes(vault.isPaused(), "paused");
        IGuardian.Target memory t = guardian.target(address(vault));
        same(t.used, 1, "used");
        same(t.epoch, 3, "epoch");
        same(t.pausedAt, block.timestamp, "begin");
        same(t.endsAt, block.timestamp + SENTINEL_SECONDS, "end");
        same(t.sentinelEndsAt, t.endsAt, "end for sentinels");
        same(t.guardianUsed, 0, "guardians' time is their own");
        same(guardian.sentinelBudget(), 8, "budget");
        vm.warp(block.timestamp + SENTINEL_SECONDS);
        no(vault.isPaused(), "lapsed");
    }

    function test_AllFiveMaySign() public {
        IGuardian.Order memory order = orderFor(address(vault));
        execute(order, signed(order, 5));
        yes(vault.isPaused(), "paused");
    }

    // ------------------------------------------------------------------------------------------ signatures

    function test_FewerThanTheThresholdDoNothing() public {
        IGuardian.Order memory order = orderFor(address(vault));
        expectRefusal(order, signed(order, 2), IGuardian.Refusal.TooFewSignatures);
        expectRefusal(order, "", IGuardian.Refusal.TooFewSignatures);
        vm.prank(ADMIN);
        guardian.setThreshold(5);
        expectRefusal(order, signed(order, 4), IGuardian.Refusal.TooFewSignatures);
    }

    function test_SignaturesAreWhole() public {
        IGuardian.Order memory order = orderFor(address(vault));
        bytes memory three = signed(order, 3);
        expectRefusal(order, bytes.concat(three, hex"00"), IGuardian.Refusal.MalformedSignatures);
        expectRefusal(order, new bytes(17 * 65), IGuardian.Refusal.MalformedSignatures);
        expectRefusal(order, new bytes(16 * 65), IGuardian.Refusal.BadSignature);
    }

    function test_NobodySignsTwice() public {
        IGuardian.Order memory order = orderFor(address(vault));
        bytes32 digest = guardian.orderDigest(order);
        bytes memory first = signature(keys[0], digest);
        bytes memory second = signature(keys[1], digest);
        bytes memory third = signature(keys[2], digest);
        IGuardian.Refusal reason = IGuardian.Refusal.SignersNotAscending;
        expectRefusal(order, bytes.concat(first, first, first), reason);
        expectRefusal(order, bytes.concat(first, second, second), reason);
        expectRefusal(order, bytes.concat(second, first, third), reason);
        expectRefusal(order, bytes.concat(first, third, second), reason);
    }

    /// @dev The other form of the same signature: what anyone could make out of it.
    function test_TheMirroredSignatureIsRefused() public {
        IGuardian.Order memory order = orderFor(address(vault));
        bytes32 digest = guardian.orderDigest(order);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[1], digest);
        bytes memory high = abi.encodePacked(r, CURVE - uint256(s), v == 27 ? uint8(28) : uint8(27));
        bytes memory first = signature(keys[0], digest);
        bytes memory third = signature(keys[2], digest);
        same(ecrecover(digest, v == 27 ? 28 : 27, r, bytes32(CURVE - uint256(s))), vm.addr(keys[1]), "it is a form");
        expectRefusal(order, bytes.concat(first, high, third), IGuardian.Refusal.BadSignature);
    }

    function test_OddSignaturesAreRefused() public {
        IGuardian.Order memory order = orderFor(address(vault));
        bytes32 digest = guardian.orderDigest(order);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], digest);
        bytes memory rest = bytes.concat(signature(keys[1], digest), signature(keys[2], digest));
        IGuardian.Refusal bad = IGuardian.Refusal.BadSignature;
        expectRefusal(order, bytes.concat(abi.encodePacked(r, s, v - 27), rest), bad);
        expectRefusal(order, bytes.concat(abi.encodePacked(r, s, uint8(29)), rest), bad);
        expectRefusal(order, bytes.concat(abi.encodePacked(bytes32(0), s, v), rest), bad);
        expectRefusal(order, bytes.concat(abi.encodePacked(r, bytes32(0), v), rest), bad);
    }

    function test_OnlySentinelsCount() public {
        IGuardian.Order memory order = orderFor(address(vault));
        bytes32 digest = guardian.orderDigest(order);
        // A key whose address comes after those of the others, so that only who it is can be wrong.
        uint256 stranger = 66;
        while (vm.addr(stranger) <= vm.addr(keys[4])) ++stranger;
        bytes memory foreign = signature(stranger, digest);
        IGuardian.Refusal reason = IGuardian.Refusal.NotSentinel;
        expectRefusal(order, bytes.concat(signed(order, 2), foreign), reason);
        expectRefusal(order, bytes.concat(signed(order, 3), foreign), reason);
        address gone = vm.addr(keys[1]);
        vm.prank(PERSON);
        guardian.revokeSentinel(gone);
        expectRefusal(order, signed(order, 3), reason);
        bytes memory others = bytes.concat(signature(keys[0], digest), signature(keys[2], digest));
        execute(order, bytes.concat(others, signature(keys[3], digest)));
    }

    function test_ASentinelExpires() public {
        vm.warp(EXPIRY - 1);
        IGuardian.Order memory order = orderFor(address(vault));
        bytes memory signatures = signed(order, 3);
        same(uint256(guardian.checkOrder(order, signatures)), 0, "alive in its last second");
        vm.warp(EXPIRY);
        expectRefusal(order, signatures, IGuardian.Refusal.SentinelExpired);
    }

    function testFuzz_AChangedByteOfASignatureIsRefused(uint8 which, uint8 by) public {
        vm.assume(by != 0);
        IGuardian.Order memory order = orderFor(address(vault));
        bytes memory signatures = signed(order, 3);
        uint256 at_ = which % signatures.length;
        signatures[at_] = bytes1(uint8(signatures[at_]) ^ by);
        IGuardian.Refusal reason = guardian.checkOrder(order, signatures);
        bool named = reason == IGuardian.Refusal.BadSignature || reason == IGuardian.Refusal.NotSentinel
            || reason == IGuardian.Refusal.SignersNotAscending;
        yes(named, "refused for the signature");
        expectRefusal(order, signatures, reason);
    }

    /// @dev Whatever is changed in a signed order, its signatures are of another.
    function testFuzz_AChangedOrderIsRefused(IGuardian.Order memory other) public {
        IGuardian.Order memory order = orderFor(address(vault));
        bytes memory signatures = signed(order, 3);
        other.target = address(vault);
        other.epoch = order.epoch;
        other.observedBlock = uint64(block.number - (other.observedBlock % 33));
        vm.assume(other.decision != order.decision || other.observedBlock != order.observedBlock);
        IGuardian.Refusal reason = guardian.checkOrder(other, signatures);
        yes(reason == IGuardian.Refusal.NotSentinel || reason == IGuardian.Refusal.SignersNotAscending, "not of these");
        expectRefusal(other, signatures, reason);
    }

    function test_TheDigestIsWhatWalletsSign() public view {
        IGuardian.Order memory order = orderFor(address(vault));
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Stakewarden Guardian"),
                keccak256("1"),
                block.chainid,
                address(guardian)
            )
        );
        bytes32 content = keccak256(
            abi.encode(
                keccak256(
                    "Order(address target,uint64 epoch,bytes32 decision,uint64 observedBlock,bytes32 observedBlockHash)"
                ),
                order
            )
        );
        bytes32 expected = keccak256(abi.encodePacked(hex"1901", domain, content));
        same(uint256(guardian.orderDigest(order)), uint256(expected), "digest");
    }

    // ---------------------------------------------------------------------------------------------- replay

    function test_AnOrderPausesOnce() public {
        IGuardian.Limits memory l = limits();
        l.budget = 2;
        l.cooldown = 0;
        l.sentinelSeconds = 1;
        setLimits(address(vault), l);
        IGuardian.Order memory order = orderFor(address(vault));
        bytes memory signatures = signed(order, 3);
        execute(order, signatures);
        vm.warp(block.timestamp + 1);
        vm.roll(block.number + 1);
        no(vault.isPaused(), "over");
        expectRefusal(order, signatures, IGuardian.Refusal.WrongEpoch);
        pauseByOrder(address(vault));
    }

    function test_AnOrderOfBeforeAnyChangeIsVoid() public {
        for (uint256 i = 0; i < 5; ++i) {
            IGuardian.Order memory order = orderFor(address(vault));
            bytes memory signatures = signed(order, 3);
            if (i == 0) arm(address(vault));
            if (i == 1) setLimits(address(vault), limits());
            if (i == 2) shadow(address(vault));
            if (i == 3) {
                vm.prank(PERSON);
                guardian.disarm(address(vault));
                arm(address(vault));
            }
            if (i == 4) {
                vm.prank(PERSON);
                guardian.stopSentinels();
                vm.prank(ADMIN);
                guardian.allowSentinels();
            }
            expectRefusal(order, signatures, IGuardian.Refusal.WrongEpoch);
        }
    }

    function test_AnOrderOfDuringAStopIsVoid() public {
        vm.prank(PERSON);
        guardian.stopSentinels();
        IGuardian.Order memory order = orderFor(address(vault));
        vm.prank(ADMIN);
        guardian.allowSentinels();
        expectRefusal(order, signed(order, 3), IGuardian.Refusal.WrongEpoch);
    }

    function test_AnOrderOfAPausedPeriodIsVoid() public {
        IGuardian.Order memory order = orderFor(address(vault));
        bytes memory signatures = signed(order, 3);
        pauseByPerson(address(vault));
        expectRefusal(order, signatures, IGuardian.Refusal.WrongEpoch);
    }

    function test_AnOrderIsForOneContractOneTargetOneChain() public {
        IGuardian.Order memory order = orderFor(address(vault));
        Guardian twin = new Guardian(1 days, ADMIN, 3, ceilings());
        bytes32 elsewhere = twin.orderDigest(order);
        bytes memory signatures;
        for (uint256 i = 0; i < 3; ++i) {
            signatures = bytes.concat(signatures, signature(keys[i], elsewhere));
        }
        foreignSignatures(order, signatures);
        signatures = signed(order, 3);
        same(uint256(guardian.checkOrder(order, signatures)), 0, "good here");
        register(address(moody));
        arm(address(moody));
        same(guardian.target(address(moody)).epoch, order.epoch, "the same epoch");
        order.target = address(moody);
        foreignSignatures(order, signatures);
        order.target = address(vault);
        vm.chainId(31338);
        foreignSignatures(order, signatures);
    }

    /// @dev Recovered to somebody: an address that is nobody's, in whatever order.
    function foreignSignatures(IGuardian.Order memory order, bytes memory signatures) private {
        IGuardian.Refusal reason = guardian.checkOrder(order, signatures);
        yes(reason == IGuardian.Refusal.NotSentinel || reason == IGuardian.Refusal.SignersNotAscending, "foreign");
        expectRefusal(order, signatures, reason);
    }

    // ----------------------------------------------------------------------------------------------- block

    function at(uint256 number, bytes32 hash) private view returns (IGuardian.Order memory order) {
        order = orderFor(address(vault));
        order.observedBlock = uint64(number);
        order.observedBlockHash = hash;
    }

    function test_AnOrderDiesWithAge() public {
        uint256 seen = block.number;
        vm.roll(seen + 32);
        bytes32 hash = blockhash(seen);
        IGuardian.Order memory order = at(seen, hash);
        bytes memory signatures = signed(order, 3);
        same(uint256(guardian.checkOrder(order, signatures)), 0, "in its last block");
        vm.roll(seen + 33);
        expectRefusal(order, signatures, IGuardian.Refusal.OrderTooOld);
    }

    function test_AnOrderDiesWithItsBranch() public {
        uint256 seen = block.number - 1;
        IGuardian.Order memory order = at(seen, blockhash(seen));
        bytes memory signatures = signed(order, 3);
        vm.setBlockhash(seen, "another branch");
        expectRefusal(order, signatures, IGuardian.Refusal.WrongBlockHash);
    }

    /// @dev The head's hash is not known to a call at the head: only that is against the order, and it is said last.
    function test_AtTheHeadOnlyTheHashIsUnknown() public {
        IGuardian.Order memory order = at(block.number, "the head's");
        expectRefusal(order, signed(order, 3), IGuardian.Refusal.WrongBlockHash);
        order = at(block.number, 0);
        expectRefusal(order, signed(order, 3), IGuardian.Refusal.WrongBlockHash);
        order = at(block.number + 1, 0);
        expectRefusal(order, signed(order, 3), IGuardian.Refusal.BlockInFuture);
    }

    /// @dev Everything that can be wrong at once, cured one after the other: the reasons come in the order of the enum.
    function test_TheReasonsComeInAFixedOrder() public {
        uint256 past = block.number - 40;
        IGuardian.Order memory order = at(past, 0);
        order.target = address(moody);
        order.epoch = 99;
        vm.prank(PERSON);
        guardian.stopSentinels();
        vm.prank(ADMIN);
        guardian.setSentinelBudget(0);
        expectRefusal(order, "1", IGuardian.Refusal.SentinelsStopped);
        vm.prank(ADMIN);
        guardian.allowSentinels();
        expectRefusal(order, "1", IGuardian.Refusal.NotRegistered);
        register(address(moody));
        moody.pauseUntil(block.timestamp + 1);
        expectRefusal(order, "1", IGuardian.Refusal.NotArmed);
        arm(address(moody));
        expectRefusal(order, "1", IGuardian.Refusal.ContractBudgetSpent);
        vm.prank(ADMIN);
        guardian.setSentinelBudget(1);
        expectRefusal(order, "1", IGuardian.Refusal.WrongEpoch);
        order.epoch = guardian.target(address(moody)).epoch;
        vm.prank(PERSON);
        guardian.cancel(order);
        expectRefusal(order, "1", IGuardian.Refusal.OrderClosed);
        order.observedBlock = uint64(block.number + 1);
        expectRefusal(order, "1", IGuardian.Refusal.BlockInFuture);
        order.observedBlock = uint64(block.number - 33);
        expectRefusal(order, "1", IGuardian.Refusal.OrderTooOld);
        order.observedBlock = uint64(block.number - 1);
        expectRefusal(order, "1", IGuardian.Refusal.MalformedSignatures);
        expectRefusal(order, "", IGuardian.Refusal.TooFewSignatures);
        expectRefusal(order, signed(order, 3), IGuardian.Refusal.AlreadyPaused);
        moody.become(Moody.Mood.ReadReverts);
        expectRefusal(order, signed(order, 3), IGuardian.Refusal.StateUnreadable);
        moody.become(Moody.Mood.Honest);
        expectRefusal(order, signed(order, 3), IGuardian.Refusal.WrongBlockHash);
        order.observedBlockHash = blockhash(block.number - 1);
        execute(order, signed(order, 3));
    }

    // ------------------------------------------------------------------------------------- cancel, shadow

    function test_PeopleCancelAnOrderAtOnce() public {
        IGuardian.Order memory order = orderFor(address(vault));
        bytes32 digest = guardian.orderDigest(order);
        no(guardian.isClosed(digest), "open");
        vm.expectEmit(true, true, true, true, address(guardian));
        emit OrderCancelled(address(vault), "decision", PERSON, digest);
        vm.prank(PERSON);
        guardian.cancel(order);
        yes(guardian.isClosed(digest), "closed");
        expectRefusal(order, signed(order, 5), IGuardian.Refusal.OrderClosed);
        vm.prank(ADMIN);
        guardian.cancel(order);
        order.decision = "another";
        execute(order, signed(order, 3));
    }

    function test_InShadowAnOrderIsToldOnceAndDoesNothing() public {
        shadow(address(vault));
        IGuardian.Order memory order = orderFor(address(vault));
        bytes memory signatures = signed(order, 3);
        IGuardian.Target memory before = guardian.target(address(vault));
        vm.expectEmit(true, true, true, true, address(guardian));
        emit OrderShadowed(address(vault), "decision", OTHER, order.observedBlock, firstThree());
        execute(order, signatures);
        no(vault.isPaused(), "not paused");
        IGuardian.Target memory t = guardian.target(address(vault));
        same(uint256(keccak256(abi.encode(t))), uint256(keccak256(abi.encode(before))), "nothing consumed");
        same(guardian.sentinelBudget(), 9, "budget");
        expectRefusal(order, signatures, IGuardian.Refusal.OrderClosed);
        order.decision = "another";
        execute(order, signed(order, 3));
        expectRefusal(order, signed(order, 2), IGuardian.Refusal.OrderClosed);
        order.decision = "a third";
        expectRefusal(order, signed(order, 2), IGuardian.Refusal.TooFewSignatures);
        arm(address(vault));
        expectRefusal(order, signed(order, 3), IGuardian.Refusal.WrongEpoch);
    }

    // ---------------------------------------------------------------------------------------------- bounds

    function test_ABudgetLastsUntilArmedAgain() public {
        pauseByOrder(address(vault));
        vm.warp(block.timestamp + SENTINEL_SECONDS + COOLDOWN);
        expectTargetRefusal(address(vault), IGuardian.Refusal.TargetBudgetSpent);
        shadow(address(vault));
        same(uint256(guardian.checkTarget(address(vault))), 0, "in shadow it is told what an armed target would do");
        arm(address(vault));
        pauseByOrder(address(vault));
        same(guardian.sentinelBudget(), 7, "contract-wide");
    }

    function test_ABudgetOfTwoHasACooldown() public {
        IGuardian.Limits memory l = limits();
        l.budget = 2;
        setLimits(address(vault), l);
        pauseByOrder(address(vault));
        vm.warp(block.timestamp + SENTINEL_SECONDS + COOLDOWN - 1);
        expectTargetRefusal(address(vault), IGuardian.Refusal.CoolingDown);
        vm.warp(block.timestamp + 1);
        pauseByOrder(address(vault));
        vm.warp(block.timestamp + SENTINEL_SECONDS + COOLDOWN);
        expectTargetRefusal(address(vault), IGuardian.Refusal.TargetBudgetSpent);
    }

    /// @dev Neither arming again nor an early resumption makes the cooldown shorter; the admin's limit does.
    function test_OnlyTimeAndTheLimitEndTheCooldown() public {
        pauseByOrder(address(vault));
        bytes32 resumeRole = vault.RESUME_ROLE();
        vm.prank(ADMIN);
        vault.grantRole(resumeRole, ADMIN);
        vm.prank(ADMIN);
        vault.resume();
        arm(address(vault));
        expectTargetRefusal(address(vault), IGuardian.Refusal.CoolingDown);
        vm.warp(block.timestamp + SENTINEL_SECONDS);
        expectTargetRefusal(address(vault), IGuardian.Refusal.CoolingDown);
        IGuardian.Limits memory l = limits();
        l.cooldown = 0;
        setLimits(address(vault), l);
        pauseByOrder(address(vault));
    }

    function test_TheContractWideBudgetBoundsAllTargets() public {
        vm.prank(ADMIN);
        guardian.setSentinelBudget(1);
        register(address(moody));
        arm(address(moody));
        pauseByOrder(address(moody));
        expectTargetRefusal(address(vault), IGuardian.Refusal.ContractBudgetSpent);
        same(guardian.sentinelBudget(), 0, "spent");
    }

    function test_SentinelsDoNotPauseWhatIsPaused() public {
        pauseByPerson(address(vault));
        expectTargetRefusal(address(vault), IGuardian.Refusal.AlreadyPaused);
        same(guardian.target(address(vault)).used, 0, "nothing used");
    }

    function test_StoppedSentinelsAreRefused() public {
        vm.prank(PERSON);
        guardian.stopSentinels();
        expectTargetRefusal(address(vault), IGuardian.Refusal.SentinelsStopped);
    }
}
