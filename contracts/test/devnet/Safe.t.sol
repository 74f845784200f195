// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MultiSendCallOnly} from "../../src/devnet/safe/MultiSendCallOnly.sol";
import {ISignatureValidator, Safe} from "../../src/devnet/safe/Safe.sol";
import {SafeProxy} from "../../src/devnet/safe/SafeProxy.sol";
import {SafeOwners} from "../../src/devnet/safe/SafeOwners.sol";
import {Token} from "../guardian/Targets.sol";
import {Signing} from "./Signing.sol";

/// @dev What the Safe calls: counts, and refuses on demand.
contract Counter {
    error Unwilling();

    uint256 public count;

    function up(uint256 by) external payable {
        if (by == 0) revert Unwilling();
        count += by;
    }
}

/// @dev An owner that is a contract, and signs with a password.
contract ContractOwner is ISignatureValidator {
    function isValidSignature(bytes calldata, bytes calldata signature) external pure returns (bytes4) {
        return keccak256(signature) == keccak256("open sesame") ? bytes4(0x20c13b0b) : bytes4(0xffffffff);
    }
}

/// @dev Run by delegatecall it makes the account run other code: what happened to Bybit.
contract Trojan {
    address private singleton;

    function transfer(address to, uint256) external {
        singleton = to;
    }
}

abstract contract SafeSetUp is Signing {
    event ExecutionSuccess(bytes32 indexed txHash, uint256 payment);
    event ExecutionFailure(bytes32 indexed txHash, uint256 payment);

    uint256[] internal owners;
    Safe internal safe;
    Counter internal counter;

    function setUp() public {
        owners = sortedKeys(6);
        safe = newSafe(owners, 3);
        counter = new Counter();
    }

    function up(uint256 by) internal pure returns (bytes memory) {
        return abi.encodeCall(Counter.up, (by));
    }

    /// @dev The hash of `up(5)` at the present nonce.
    function hash() internal view returns (bytes32) {
        return hashOf(safe, address(counter), up(5));
    }

    function works(bytes memory signatures) internal {
        uint256 before = counter.count();
        yes(execute(safe, address(counter), up(5), signatures), "said no");
        same(counter.count(), before + 5, "count");
    }

    function refused(bytes memory signatures, string memory error) internal {
        uint256 nonce = safe.nonce();
        vm.expectRevert(text(error));
        execute(safe, address(counter), up(5), signatures);
        same(safe.nonce(), nonce, "nonce");
    }

    /// @dev A call of the Safe to itself, signed by the first three.
    function bySelf(bytes memory call) internal {
        yes(execute(safe, address(safe), call, signedBy(owners, 0, 2, hashOf(safe, address(safe), call))), "said no");
    }

    function account(uint256 which) internal view returns (address) {
        return keys.addr(owners[which]);
    }
}

contract SafeSignaturesTest is SafeSetUp {
    function test_HashIsTheRealOnes() public {
        // Computed by eth-account's EIP-712 from the type as Safe documents it; chain 1, the committee's own address.
        address committee = 0x8772E3a2D86B9347A2688f9bc1808A6d8917760C;
        keys.etch(committee, address(new Safe()).code);
        keys.chainId(1);
        bytes memory call = abi.encodeWithSelector(0x76a67a51, address(0x889edC2eDab5f40e902b864aD4d7AdE8E412F9B1));
        Safe there = Safe(payable(committee));
        bytes32 found = there.getTransactionHash(
            0x6019CB557978296BA3C08a7B73225C0975DFB2F7,
            7,
            call,
            Safe.Operation.DelegateCall,
            11,
            12,
            13,
            address(0xAA),
            address(0xBB),
            42
        );
        bytes32 domain = 0x4c7e2a60f9a91c42bc0a80fc6cf84899dcac85acaf7e8f90375d0ccf037dae98;
        bytes32 expected = 0xef0f779a5839891cb78dc101f8d9409c9fcd4e66012cbd8040b623119c38ec9b;
        same(uint256(there.domainSeparator()), uint256(domain), "domain");
        same(uint256(found), uint256(expected), "hash");
    }

    function test_ThreeOfSixInOrder() public {
        bytes32 txHash = hash();
        vm.expectEmit(true, true, true, true, address(safe));
        emit ExecutionSuccess(txHash, 0);
        works(bytes.concat(signed(owners[0], txHash), signed(owners[3], txHash), signed(owners[5], txHash)));
        same(safe.nonce(), 1, "nonce");
    }

    function test_TwoAreTooFew() public {
        refused(signedBy(owners, 0, 1, hash()), "GS020");
    }

    function test_ASecondSignatureOfOneOwnerDoesNotCount() public {
        bytes memory one = signed(owners[1], hash());
        refused(bytes.concat(signed(owners[0], hash()), one, one), "GS026");
    }

    function test_OrderMatters() public {
        refused(bytes.concat(signed(owners[1], hash()), signed(owners[0], hash()), signed(owners[2], hash())), "GS026");
    }

    function test_AStrangersSignatureIsRefused() public {
        for (uint256 stranger = 1; stranger < 6; ++stranger) {
            if (keys.addr(stranger) > account(1)) {
                refused(bytes.concat(signedBy(owners, 0, 1, hash()), signed(stranger, hash())), "GS026");
            }
        }
        refused(new bytes(195), "GS021");
    }

    function test_TheSameSignaturesDoNotWorkTwice() public {
        bytes memory signatures = signedBy(owners, 0, 2, hash());
        works(signatures);
        vm.expectRevert(text("GS026"));
        execute(safe, address(counter), up(5), signatures);
    }

    function test_SignaturesAreOfOneSafeAndOneChain() public {
        Safe twin = newSafe(owners, 3);
        refused(signedBy(owners, 0, 2, hashOf(twin, address(counter), up(5))), "GS026");
        bytes memory signatures = signedBy(owners, 0, 2, hash());
        keys.chainId(5);
        refused(signatures, "GS026");
    }

    function test_MoreThanNeededDoesNoHarm() public {
        works(signedBy(owners, 0, 5, hash()));
    }

    function test_EthSignHasFourAdded() public {
        bytes32 message = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", hash()));
        bytes memory one = signed(owners[2], message);
        bytes memory rest = signedBy(owners, 0, 1, hash());
        refused(bytes.concat(rest, one), "GS026");
        one[64] = bytes1(uint8(one[64]) + 4);
        works(bytes.concat(rest, one));
    }

    function test_AnApprovedHashCountsForItsOwner() public {
        bytes memory approval = abi.encodePacked(uint256(uint160(account(0))), uint256(0), uint8(1));
        bytes memory signatures = bytes.concat(approval, signedBy(owners, 1, 2, hash()));
        refused(signatures, "GS025");
        bytes32 txHash = hash();
        vm.expectRevert(text("GS030"));
        safe.approveHash(txHash);
        vm.prank(account(0));
        safe.approveHash(txHash);
        same(safe.approvedHashes(account(0), txHash), 1, "approved");
        works(signatures);
    }

    function test_TheSubmittersOwnSignatureNeedsNoApproval() public {
        bytes memory approval = abi.encodePacked(uint256(uint160(account(0))), uint256(0), uint8(1));
        bytes memory signatures = bytes.concat(approval, signedBy(owners, 1, 2, hash()));
        vm.prank(account(0));
        yes(execute(safe, address(counter), up(5), signatures), "said no");
    }

    function test_ASignatureWithoutAKeyIsNobodys() public {
        bytes memory zero = abi.encodePacked(uint256(1), uint256(1), uint8(29));
        refused(bytes.concat(zero, signedBy(owners, 1, 2, hash())), "GS026");
    }

    function test_AContractSignsBehindTheOthers() public {
        address contractOwner = address(new ContractOwner());
        address[] memory list = new address[](2);
        (list[0], list[1]) = (contractOwner, account(0));
        safe = newSafe(list, 2);
        bytes memory plain = signed(owners[0], hash());
        bool first = contractOwner < account(0);
        works(withContract(contractOwner, plain, first, 130, "open sesame"));
        plain = signed(owners[0], hash());
        refused(withContract(contractOwner, plain, first, 130, "open"), "GS024");
        refused(withContract(contractOwner, plain, first, 129, "open sesame"), "GS021");
        refused(withContract(contractOwner, plain, first, 170, "open sesame"), "GS022");
        refused(withContract(contractOwner, plain, first, 131, "open sesame"), "GS023");
    }

    function withContract(address owner, bytes memory plain, bool first, uint256 place, bytes memory password)
        private
        pure
        returns (bytes memory)
    {
        bytes memory reference_ = abi.encodePacked(uint256(uint160(owner)), place, uint8(0));
        bytes memory fixedPart = first ? bytes.concat(reference_, plain) : bytes.concat(plain, reference_);
        return bytes.concat(fixedPart, abi.encode(password.length), password);
    }

    function testFuzz_AnyThreeOwnersAndOnlyOwners(uint256 which, bytes32 noise) public {
        uint256[3] memory chosen = [which % 4, 4, 5];
        bytes memory good;
        for (uint256 i = 0; i < 3; ++i) {
            good = bytes.concat(good, signed(owners[chosen[i]], hash()));
        }
        bytes memory bad = bytes.concat(good);
        bad[uint256(noise) % 64] ^= bytes1(uint8(1 + (which % 255)));
        (bool ok,) = address(safe).call(abi.encodeCall(Safe.checkSignatures, (hash(), "", bad)));
        no(ok, "a changed signature passed");
        safe.checkSignatures(hash(), "", good);
        works(good);
    }
}

contract SafeExecutionTest is SafeSetUp {
    function test_AFailedCallRevertsAndKeepsTheNonce() public {
        bytes memory signatures = signedBy(owners, 0, 2, hashOf(safe, address(counter), up(0)));
        vm.expectRevert(text("GS013"));
        execute(safe, address(counter), up(0), signatures);
        same(safe.nonce(), 0, "nonce");
    }

    function test_WithSafeTxGasAFailedCallUsesTheNonceUp() public {
        bytes32 txHash = safe.getTransactionHash(
            address(counter), 0, up(0), Safe.Operation.Call, 50_000, 0, 0, address(0), address(0), 0
        );
        bytes memory signatures = signedBy(owners, 0, 2, txHash);
        vm.expectEmit(true, true, true, true, address(safe));
        emit ExecutionFailure(txHash, 0);
        bool ok = safe.execTransaction(
            address(counter), 0, up(0), Safe.Operation.Call, 50_000, 0, 0, address(0), payable(address(0)), signatures
        );
        no(ok, "said yes");
        same(safe.nonce(), 1, "nonce");
    }

    function test_TooLittleGasForWhatWasSigned() public {
        bytes32 txHash = safe.getTransactionHash(
            address(counter), 0, up(5), Safe.Operation.Call, 5_000_000, 0, 0, address(0), address(0), 0
        );
        bytes memory signatures = signedBy(owners, 0, 2, txHash);
        vm.expectRevert(text("GS010"));
        safe.execTransaction{gas: 1_000_000}(
            address(counter),
            0,
            up(5),
            Safe.Operation.Call,
            5_000_000,
            0,
            0,
            address(0),
            payable(address(0)),
            signatures
        );
    }

    function test_ValueAndReceipt() public {
        keys.deal(address(this), 1 ether);
        (bool ok,) = address(safe).call{value: 1 ether}("");
        yes(ok, "taken");
        bytes32 txHash = safe.getTransactionHash(
            address(counter), 0.4 ether, up(1), Safe.Operation.Call, 0, 0, 0, address(0), address(0), 0
        );
        safe.execTransaction(
            address(counter),
            0.4 ether,
            up(1),
            Safe.Operation.Call,
            0,
            0,
            0,
            address(0),
            payable(address(0)),
            signedBy(owners, 0, 2, txHash)
        );
        same(address(counter).balance, 0.4 ether, "value");
    }

    function test_RefundInEtherIsAtTheSubmittersPriceAtMost() public {
        keys.deal(address(safe), 1 ether);
        keys.txGasPrice(3);
        address payable receiver = payable(address(0xFEE));
        bytes32 txHash = safe.getTransactionHash(
            address(counter), 0, up(1), Safe.Operation.Call, 0, 1_000_000, 9, address(0), receiver, 0
        );
        bytes memory signatures = signedBy(owners, 0, 2, txHash);
        safe.execTransaction(
            address(counter), 0, up(1), Safe.Operation.Call, 0, 1_000_000, 9, address(0), receiver, signatures
        );
        yes(receiver.balance >= 3_000_000 && receiver.balance < 3 * 1_100_000, "paid at 3, not at 9");
    }

    function test_RefundInTokens() public {
        Token token = new Token(address(safe), 100 ether);
        address payable receiver = payable(address(0xFEE));
        bytes32 txHash = safe.getTransactionHash(
            address(counter), 0, up(1), Safe.Operation.Call, 0, 1_000_000, 9, address(token), receiver, 0
        );
        bytes memory signatures = signedBy(owners, 0, 2, txHash);
        safe.execTransaction(
            address(counter), 0, up(1), Safe.Operation.Call, 0, 1_000_000, 9, address(token), receiver, signatures
        );
        yes(token.balanceOf(receiver) >= 9_000_000, "paid");
    }

    function test_ADelegatecallCanTakeTheAccountOver() public {
        // Slot 0 is which code runs: a signer who sees only "transfer(to, 0)" must look at the operation.
        address trojan = address(new Trojan());
        address other = address(new Counter());
        bytes memory call = abi.encodeCall(Trojan.transfer, (other, 0));
        bytes32 txHash =
            safe.getTransactionHash(trojan, 0, call, Safe.Operation.DelegateCall, 0, 0, 0, address(0), address(0), 0);
        bytes memory signatures = signedBy(owners, 0, 2, txHash);
        safe.execTransaction(
            trojan, 0, call, Safe.Operation.DelegateCall, 0, 0, 0, address(0), payable(address(0)), signatures
        );
        (bool ok, bytes memory said) = address(safe).call(abi.encodeWithSignature("masterCopy()"));
        yes(ok, "masterCopy");
        same(abi.decode(said, (address)), other, "runs other code now");
        Counter(address(safe)).count();
    }

    function test_SeveralCallsInOneTransactionAreAllOrNothing() public {
        MultiSendCallOnly multi = new MultiSendCallOnly();
        batch(address(multi), bytes.concat(part(0, up(2)), part(0, up(3))), "");
        same(counter.count(), 5, "both");
        batch(address(multi), bytes.concat(part(0, up(2)), part(0, up(0))), "GS013");
        batch(address(multi), bytes.concat(part(0, up(2)), part(1, up(1))), "GS013");
        same(counter.count(), 5, "none");
    }

    function part(uint8 operation, bytes memory call) private view returns (bytes memory) {
        return abi.encodePacked(operation, address(counter), uint256(0), call.length, call);
    }

    function batch(address multi, bytes memory parts, string memory error) private {
        bytes memory call = abi.encodeCall(MultiSendCallOnly.multiSend, (parts));
        bytes32 txHash = safe.getTransactionHash(
            multi, 0, call, Safe.Operation.DelegateCall, 0, 0, 0, address(0), address(0), safe.nonce()
        );
        bytes memory signatures = signedBy(owners, 0, 2, txHash);
        if (bytes(error).length > 0) vm.expectRevert(text(error));
        safe.execTransaction(
            multi, 0, call, Safe.Operation.DelegateCall, 0, 0, 0, address(0), payable(address(0)), signatures
        );
    }
}

contract SafeOwnersTest is SafeSetUp {
    event AddedOwner(address indexed owner);
    event RemovedOwner(address indexed owner);
    event ChangedThreshold(uint256 threshold);

    address private constant NEW = address(0x1111);

    function test_SetUpOnceAndTheSingletonNever() public {
        address[] memory list = new address[](1);
        list[0] = NEW;
        address none = address(0);
        bytes memory call = abi.encodeCall(Safe.setup, (list, 1, none, "", none, none, 0, payable(none)));
        vm.expectRevert(text("GS200"));
        Safe(payable(address(safe))).setup(list, 1, none, "", none, none, 0, payable(none));
        Safe singleton = new Safe();
        vm.expectRevert(text("GS200"));
        singleton.setup(list, 1, none, "", none, none, 0, payable(none));
        list[0] = none;
        call = abi.encodeCall(Safe.setup, (list, 1, none, "", none, none, 0, payable(none)));
        vm.expectRevert(text("GS203"));
        new SafeProxy(address(singleton), call);
    }

    function test_OwnersInTheOrderGiven() public view {
        address[] memory list = safe.getOwners();
        same(list.length, 6, "owners");
        for (uint256 i = 0; i < 6; ++i) {
            same(list[i], account(i), "owner");
            yes(safe.isOwner(list[i]), "isOwner");
        }
        same(safe.getThreshold(), 3, "threshold");
        same(bytes(safe.VERSION()).length, 5, "version");
    }

    function test_OnlyTheSafeChangesItself() public {
        vm.expectRevert(text("GS031"));
        safe.changeThreshold(1);
        vm.prank(account(0));
        vm.expectRevert(text("GS031"));
        safe.addOwnerWithThreshold(NEW, 1);
    }

    function test_AddSwapRemove() public {
        vm.expectEmit(true, true, true, true, address(safe));
        emit AddedOwner(NEW);
        vm.expectEmit(true, true, true, true, address(safe));
        emit ChangedThreshold(4);
        bySelf(abi.encodeCall(SafeOwners.addOwnerWithThreshold, (NEW, 4)));
        same(safe.getOwners()[0], NEW, "newest first");
        bytes memory call = abi.encodeCall(SafeOwners.removeOwner, (address(1), NEW, 3));
        vm.expectEmit(true, true, true, true, address(safe));
        emit RemovedOwner(NEW);
        execute(safe, address(safe), call, signedBy(owners, 0, 3, hashOf(safe, address(safe), call)));
        bySelf(abi.encodeCall(SafeOwners.swapOwner, (account(4), account(5), NEW)));
        yes(safe.isOwner(NEW), "swapped in");
        no(safe.isOwner(account(5)), "swapped out");
        same(safe.getOwners().length, 6, "count");
    }

    function test_NoThresholdThatNobodyCanReach() public {
        bytes memory call = abi.encodeCall(SafeOwners.changeThreshold, (7));
        bytes memory signatures = signedBy(owners, 0, 2, hashOf(safe, address(safe), call));
        vm.expectRevert(text("GS013"));
        execute(safe, address(safe), call, signatures);
    }

    function test_AModuleActsWithoutSignatures() public {
        vm.prank(NEW);
        vm.expectRevert(text("GS104"));
        safe.execTransactionFromModule(address(counter), 0, up(5), Safe.Operation.Call);
        bySelf(abi.encodeCall(SafeOwners.enableModule, (NEW)));
        vm.prank(NEW);
        safe.execTransactionFromModule(address(counter), 0, up(5), Safe.Operation.Call);
        same(counter.count(), 5, "count");
        bySelf(abi.encodeCall(SafeOwners.enableModule, (address(0x2222))));
        (address[] memory first, address next) = safe.getModulesPaginated(address(1), 1);
        same(first.length, 1, "page");
        same(first[0], address(0x2222), "newest first");
        (first, next) = safe.getModulesPaginated(next, 10);
        same(first[0], NEW, "second page");
        same(next, address(1), "end");
        bySelf(abi.encodeCall(SafeOwners.disableModule, (address(0x2222), NEW)));
        no(safe.isModuleEnabled(NEW), "disabled");
    }
}
